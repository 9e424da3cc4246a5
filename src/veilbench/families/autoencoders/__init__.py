"""Autoencoders: rows and images through a code and back."""
