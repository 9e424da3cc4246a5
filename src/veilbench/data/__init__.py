"""Data sets: each has `prepare(folder)`, which writes files once, and `load(folder)`, which reads them."""
