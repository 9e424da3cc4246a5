"""LightningModules of templates, one per model."""
