"""Penalties on the codes of autoencoders, which are added to the training loss; one class per file."""
