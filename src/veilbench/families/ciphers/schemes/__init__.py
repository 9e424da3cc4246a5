"""Text ciphers as models: the common interface, code books, and ciphers with a key as network input."""
