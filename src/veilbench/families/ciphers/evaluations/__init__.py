"""What the code of text ciphers is still good for, one file per kind of use."""
