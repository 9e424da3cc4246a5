"""Attacks on autoencoders, which try to recover what they hide; one file per kind of attack."""
