"""Evaluations of text ciphers: correctness, size and speed."""
