"""Penalties on the codes of templates, which are added to the training loss; one class per file."""
