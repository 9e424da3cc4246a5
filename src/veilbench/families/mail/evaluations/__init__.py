"""What the code of mail filters is still good for, one file per kind of use."""
