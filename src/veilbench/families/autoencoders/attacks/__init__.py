"""Ways to get back what autoencoders hide, one file per kind of attack."""
