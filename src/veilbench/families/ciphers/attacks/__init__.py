"""Ways to get back what text ciphers hide, one file per kind of attack."""
