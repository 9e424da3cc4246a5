"""Plain `nn.Module`s of text ciphers: no Lightning, no configuration."""
