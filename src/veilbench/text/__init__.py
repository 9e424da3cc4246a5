"""English texts, and their alphabet."""
