"""Readers of mail that lies on the disk, one per layout."""
