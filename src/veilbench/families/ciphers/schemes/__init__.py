"""Text ciphers as subjects: the common interface, code books, and ciphers with a key as network input."""
