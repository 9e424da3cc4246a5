"""English texts, and the alphabet of the ciphers."""
