"""How templates are fitted where the data lies with many."""
