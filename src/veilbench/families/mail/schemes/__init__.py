"""Trained mail filters, as the later stages meet them."""
