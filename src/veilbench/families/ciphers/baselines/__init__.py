"""Models with nothing to train, beside which text ciphers are measured."""
