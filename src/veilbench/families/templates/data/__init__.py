"""Data sets of templates: `prepare(folder)` writes files once, `load(folder)` reads them."""
