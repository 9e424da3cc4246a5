"""The command `veilbench`. Each command imports what it needs when it runs, so that help comes at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from veilbench import __version__
from veilbench.errors import one_line_errors

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_FILES = (
    "MODEL is the folder of a trained model, results/<experiment>/train. OUT is replaced only once all of it "
    "is written and checked."
)
_WARNING = (
    "A study object, not cryptography: letter-frequency analysis of the ciphertext alone recovers nearly all "
    "of an English text from some hundred characters. For anything real use authenticated encryption, such "
    "as AES-GCM from the Python library cryptography."
)
_Model = Annotated[Path, typer.Argument(metavar="MODEL")]
_Source = Annotated[Path, typer.Argument(metavar="IN")]
_Target = Annotated[Path, typer.Argument(metavar="OUT")]
_Escape = Annotated[bool, typer.Option("--escape", help="Take any file, whatever its bytes.")]
_Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.")]


@app.callback(invoke_without_command=True)
def veilbench(version: _Version = False) -> None:
    """Train models that hide data, measure what the hidden data is still good for, and attack them."""
    if version:
        typer.echo(f"veilbench {__version__}")
        raise typer.Exit


@app.command(help=f"Encrypt a text of the characters chr(32) to chr(122).\n\n{_FILES}\n\n{_WARNING}")
def encrypt(model: _Model, source: _Source, target: _Target, escape: _Escape = False) -> None:
    """Encrypt a file."""
    from veilbench.ciphers.file_tools import encrypt_file

    encrypt_file(model, source, target, escape)


@app.command(help=f"Decrypt what `veilbench encrypt` made with the same model.\n\n{_FILES}\n\n{_WARNING}")
def decrypt(model: _Model, source: _Source, target: _Target) -> None:
    """Decrypt a file."""
    from veilbench.ciphers.file_tools import decrypt_file

    decrypt_file(model, source, target)


@app.command()
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a trained filter: results/*/train.")],
    mails: Annotated[list[Path], typer.Argument(metavar="MAILFILE...", help="Mails as .eml files, or as plain text.")],
) -> None:
    """Say how probably each mail is spam, a line each: the probability, a tab, the file."""
    from veilbench.mail.score_files import scored

    for probability, path in zip(scored(model, mails), mails, strict=True):
        typer.echo(f"{probability:.6f}\t{path}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input ends with one line on stderr and exit code 2.

    Args:
        arguments: what to run instead of the process's own arguments.
    """
    with one_line_errors():
        app(arguments)
