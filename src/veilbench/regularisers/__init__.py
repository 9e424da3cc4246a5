"""What is added to an autoencoder's loss on account of its code, one class per file."""
