"""Baselines for autoencoders, without training."""
