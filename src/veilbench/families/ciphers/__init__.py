"""Text ciphers: networks that turn text into something else and back, and real cryptography beside them."""
