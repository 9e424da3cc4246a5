"""Plain `nn.Module`s of templates: no Lightning, no configuration."""
