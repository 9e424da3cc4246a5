"""What a code is still good for, one file per kind of use."""
