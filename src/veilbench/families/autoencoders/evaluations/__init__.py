"""What the code of autoencoders is still good for, one file per kind of use."""
