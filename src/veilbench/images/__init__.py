"""Reading of image files."""
