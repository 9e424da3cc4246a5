"""An example plug-in for veilbench: one encoder, one data loader and one attack."""
