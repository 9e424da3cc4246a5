"""English texts, and the alphabet that they are written in."""
