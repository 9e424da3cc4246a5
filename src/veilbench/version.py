"""The version of veilbench."""

__version__ = "0.1.0"
