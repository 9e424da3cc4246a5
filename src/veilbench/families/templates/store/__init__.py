"""Templates in use: keys, a file of enrolled templates, and answers about images."""
