"""What is added to a loss of autoencoders on account of their code, one class per file."""
