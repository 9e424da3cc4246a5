"""LightningModules of text ciphers, one per model."""
