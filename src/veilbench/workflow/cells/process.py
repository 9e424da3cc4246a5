"""Computes one cell in a process of its own: `python -m veilbench.workflow.cells.process FOLDER SWEEP SINCE JOBS`.

What a cell does to its process, from random generators to a crash, stays within the cell. If there is a server of
forks, the process is a fork of it.
"""

from veilbench.workflow.forking import forward

if __name__ == "__main__":
    forward()  # before anything large is imported

    import os
    import sys

    from veilbench.bench.errors import one_line_errors
    from veilbench.bench.lifeline import die_with_parent
    from veilbench.workflow.cells.compute import main

    die_with_parent(os.getppid())
    with one_line_errors():
        main(sys.argv[1:])
