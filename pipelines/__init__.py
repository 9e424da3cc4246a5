"""Entry points: one per DVC stage, and `sweep.py` for all stages of one experiment in one process."""
