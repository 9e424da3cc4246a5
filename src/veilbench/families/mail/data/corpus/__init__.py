"""A generated corpus of ham and spam: two overlapping language models, seeded, and no network needed."""
