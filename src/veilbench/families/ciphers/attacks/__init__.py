"""Attacks that recover text or keys from text ciphers, one file per kind of attack."""
