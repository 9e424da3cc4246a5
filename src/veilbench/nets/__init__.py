"""Plain `nn.Module`s: no Lightning, no configuration."""
