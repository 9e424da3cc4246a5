"""Ways to average updates, by what the one who averages gets to see."""
