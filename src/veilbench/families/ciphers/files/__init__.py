"""Encryption and decryption of files."""
