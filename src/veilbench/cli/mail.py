"""The command `veilbench mail score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, help="Score mails with a trained filter.")


@app.callback()
def mail() -> None:
    """Score mails with a trained filter."""


@app.command()
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a trained filter: results/*/train.")],
    mails: Annotated[list[Path], typer.Argument(metavar="MAILFILE...", help="Mails as .eml files, or as plain text.")],
) -> None:
    """Print the probability that each mail is spam: one line per mail with the probability, a tab and the file."""
    from veilbench.families.mail.score_files import score_files

    for probability, path in zip(score_files(model, mails), mails, strict=True):
        typer.echo(f"{probability:.6f}\t{path}")
