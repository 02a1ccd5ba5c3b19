"""Verizero's library, by layer from low to high: artifacts, config, problems, policy, rollout, reward, objective, training, evidence, report,
tracking; statistics imports nothing of ours.
"""
