"""Plain `nn.Module`s of mail filters: no Lightning, no configuration."""
