"""The command `veilbench audit`: the table of an audit in the terminal, and its page in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veilbench.bench.errors import UserError


def audit(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of conf/model, a folder, .onnx or .skops.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="A name of conf/data, or a path of your own.")],
    family: Annotated[str | None, typer.Option(help="ciphers, autoencoders, templates or mail.")] = None,
    attacks: Annotated[str | None, typer.Option(help="Names of conf/attack, with commas; else all that apply.")] = None,
    budget: Annotated[str, typer.Option(help="small, or default for the budgets of conf/attack.")] = "small",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the page to this file.")] = None,
) -> None:
    """Evaluate and attack a model, and print the verdict of each attack with its reason."""
    from veilbench.bench.report import leaderboard
    from veilbench.bench.report.table import print_table
    from veilbench.families import register_all
    from veilbench.workflow.audit import audit as run
    from veilbench.workflow.run import print_reasons

    if out is not None and not out.absolute().parent.is_dir():
        raise UserError(f"--out={out}: there is no folder {out.parent}")
    named = None if attacks is None else [name for name in attacks.split(",") if name]
    found = run(model, data, named, family=family, budget=budget, seed=seed)  # type: ignore[arg-type]
    register_all()
    print_table([leaderboard.row(found.record)])
    print_reasons(found.record)
    if out is not None:
        found.save(out)
        print(f"\nthe page: {out}")
