"""Networks of text ciphers as plain `nn.Module`s, without Lightning or configuration."""
