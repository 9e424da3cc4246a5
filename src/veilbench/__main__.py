"""Runs the command `veilbench` as `python -m veilbench`."""

from __future__ import annotations

from veilbench.cli import main

if __name__ == "__main__":
    main()
