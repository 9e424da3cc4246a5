"""Trained mail filters."""
