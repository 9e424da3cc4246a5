"""LightningModules of autoencoders, one per model."""
