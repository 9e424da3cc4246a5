"""Pure functions of tensors that a training of text ciphers minimises."""
