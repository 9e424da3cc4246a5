"""Pure functions of tensors that a training minimises."""
