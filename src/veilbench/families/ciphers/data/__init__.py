"""Data sets of text ciphers: `prepare(folder)` writes files once, `load(folder)` reads them."""
