"""Autoencoders, which encode rows and images and reconstruct them."""
