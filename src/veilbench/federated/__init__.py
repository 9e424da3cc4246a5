"""Training where the data lies: what clients and their server say to each other."""
