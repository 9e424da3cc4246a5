"""Ways to get back what mail filters hide, one file per kind of attack."""
