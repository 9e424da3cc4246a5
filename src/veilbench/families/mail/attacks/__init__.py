"""Attacks on mail filters and on the federations that train them, one file per kind of attack."""
