"""What the code of templates is still good for, one file per kind of use."""
