"""veilbench: train models that hide data, measure what the hidden data is good for, and attack them."""

__version__ = "0.1.0"
