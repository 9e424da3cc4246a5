"""Models with nothing to train, beside which mail filters are measured."""
