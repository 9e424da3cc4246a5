"""Ways to get back what was hidden, one file per kind of attack."""
