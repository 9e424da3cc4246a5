"""The kernel: what all families share, and knows none of them."""
