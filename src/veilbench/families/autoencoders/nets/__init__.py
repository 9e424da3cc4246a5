"""Plain `nn.Module`s of autoencoders: no Lightning, no configuration."""
