"""Ways to get back what templates hide, one file per kind of attack."""
