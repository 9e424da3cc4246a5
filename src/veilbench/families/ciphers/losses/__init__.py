"""Loss functions of text ciphers: pure functions of tensors."""
