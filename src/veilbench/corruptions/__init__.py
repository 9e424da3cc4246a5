"""Corruptions of rows, to train models that restore them and to measure how well they do."""
