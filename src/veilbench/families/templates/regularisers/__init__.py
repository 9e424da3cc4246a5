"""What is added to a loss of templates on account of their code, one class per file."""
