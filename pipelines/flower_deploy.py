"""Train over real sockets: starts a SuperLink and SuperNodes on loopback, and always stops them at the end.

    python pipelines/flower_deploy.py prepared/mail_small OUT rounds=3 strategy="'fedavg'"

As a part of an experiment: `training=flower training.runs=deployed`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from veilbench.bench.errors import UserError, one_line_errors
from veilbench.bench.lifeline import die_with_parent
from veilbench.families.mail.flower.deployed import deploy


def main() -> None:
    """Parse the arguments and run the deployment; `--help` prints how to call it.

    Raises:
        UserError: there are too few arguments, or one is not a setting.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return
    if len(sys.argv) < 3 or not all("=" in setting for setting in sys.argv[3:]):
        raise UserError("usage: flower_deploy.py PREPARED OUT [setting=value ...]")
    deploy(Path(sys.argv[1]), Path(sys.argv[2]), dict(setting.split("=", 1) for setting in sys.argv[3:]))


if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        main()
