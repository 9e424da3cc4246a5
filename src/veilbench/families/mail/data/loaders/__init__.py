"""Loaders of mails from files, one per format."""
