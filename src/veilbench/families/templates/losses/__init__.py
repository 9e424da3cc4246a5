"""Training losses of templates, as pure functions of tensors."""
