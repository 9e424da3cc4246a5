"""LightningModules of mail filters, one per model."""
