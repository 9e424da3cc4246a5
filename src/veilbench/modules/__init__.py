"""LightningModules, one per model."""
