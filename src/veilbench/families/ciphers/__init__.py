"""Text ciphers: networks that encrypt and decrypt text, with standard cryptography for comparison."""
