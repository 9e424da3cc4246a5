"""Models with nothing to train, under the same interface as the trained ones."""
