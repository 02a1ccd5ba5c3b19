"""The learner, its batches, the training loop and its checkpoints."""
