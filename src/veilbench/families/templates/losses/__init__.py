"""Pure functions of tensors that a training of templates minimises."""
