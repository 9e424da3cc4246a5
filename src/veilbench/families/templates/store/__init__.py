"""Deployed templates: keys, a file of enrolled templates, verification and identification."""
