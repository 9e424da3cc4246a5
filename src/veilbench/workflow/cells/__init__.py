"""Cells of a sweep: each is one experiment with one seed and one set of overrides, computed once, wherever that is."""
