"""Generators of rows by known models: each has `read(rng)`, which returns a `Raw`."""
