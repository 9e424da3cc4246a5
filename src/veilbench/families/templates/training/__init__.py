"""Training of templates on data that is distributed among clients."""
