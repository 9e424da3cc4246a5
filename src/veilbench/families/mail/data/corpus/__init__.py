"""A generated corpus of ham and spam, from two overlapping language models; reproducible and without downloads."""
