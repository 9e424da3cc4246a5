"""Sources of rows that read files or bundled data sets: each has `read(rng)`, which returns a `Raw`."""
