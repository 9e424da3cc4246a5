"""Trained mail filters, as evaluated and attacked."""
