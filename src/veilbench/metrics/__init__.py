"""Pure functions: numbers from arrays, and intervals for them."""
