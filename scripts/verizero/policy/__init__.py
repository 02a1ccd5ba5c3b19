"""Language models as policies: loading, conversion, saving, and log-probabilities."""
