"""Malicious clients, one behaviour a file."""
