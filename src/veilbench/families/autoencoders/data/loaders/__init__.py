"""Loaders of files and bundled data sets of rows: each has `read(rng)`, which returns a `Raw`."""
