"""Models that encode, reconstruct, score or restore rows (tables, images, signals): interfaces and implementations."""
