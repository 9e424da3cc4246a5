"""Data sets of mail filters: `prepare(folder)` writes files once, `load(folder)` reads them."""
