"""DVC, MLflow, audit, restore."""
