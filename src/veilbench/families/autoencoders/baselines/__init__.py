"""Models with nothing to train, beside which autoencoders are measured."""
