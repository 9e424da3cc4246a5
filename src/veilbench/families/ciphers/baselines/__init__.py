"""Ciphers without training, to which neural text ciphers are compared."""
