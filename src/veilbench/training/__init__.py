"""Training procedures: central and federated training, and baselines without training."""
