"""Evaluations of what templates are still good for, one file per use."""
