"""Baselines and positive controls of mail filters; they are fitted without gradient training."""
