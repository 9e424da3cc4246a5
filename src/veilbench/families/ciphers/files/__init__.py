"""Files: what encrypts and decrypts them, byte by byte."""
