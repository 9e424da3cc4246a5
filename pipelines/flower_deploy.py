"""Train over real sockets: a SuperLink and SuperNodes on loopback, started here, and ended here whatever happens.

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
    """Read the arguments.

    Raises:
        UserError: there are too few, or one is no setting.
    """
    if len(sys.argv) < 3 or not all("=" in setting for setting in sys.argv[3:]):
        raise UserError("usage: flower_deploy.py PREPARED OUT [setting=value ...]")
    deploy(Path(sys.argv[1]), Path(sys.argv[2]), dict(setting.split("=", 1) for setting in sys.argv[3:]))


if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        main()
