"""Evaluations of what codes of autoencoders are still good for, one file per use."""
