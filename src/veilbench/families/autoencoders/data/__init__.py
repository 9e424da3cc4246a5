"""Data sets of autoencoders: `prepare(folder)` writes files once, `load(folder)` reads them."""
