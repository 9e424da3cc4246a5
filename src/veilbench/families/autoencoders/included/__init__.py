"""Trained models that come with the package, each in a folder of its own with a card, README.md."""
