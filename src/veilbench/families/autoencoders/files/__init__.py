"""Anomaly scores of table files, and restoration of image files."""
