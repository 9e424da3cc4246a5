"""Loaders of images of identities: folders, .npz files, and scikit-learn's collections of faces."""
