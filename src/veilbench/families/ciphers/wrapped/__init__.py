"""Ciphers that exist already: objects that encrypt bytes, and programs that encrypt files."""
