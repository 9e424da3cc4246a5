"""What spoils rows on purpose, for models that learn to restore them and for measuring how well they do."""
