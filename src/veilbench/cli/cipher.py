"""The commands `veilbench cipher encrypt` and `decrypt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, help="Encrypt and decrypt files with a trained cipher, to study the result.")

_WARNING = (
    "A study object, not cryptography: letter-frequency analysis of the ciphertext alone recovers nearly all "
    "of an English text from some hundred characters. For anything real use authenticated encryption, such "
    "as AES-GCM from the Python library cryptography."
)
_Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a trained cipher: results/*/train.")]
_Source = Annotated[Path, typer.Argument(metavar="IN", help="The file to read.")]
_Target = Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, replaced only once it is whole.")]
_Escape = Annotated[bool, typer.Option("--escape", help="Take any file, whatever its bytes.")]


@app.command(help=f"Encrypt a text of the characters chr(32) to chr(122).\n\n{_WARNING}")
def encrypt(model: _Model, source: _Source, target: _Target, escape: _Escape = False) -> None:
    """Encrypt a file."""
    from veilbench.families.ciphers.files.file_tools import encrypt_file

    encrypt_file(model, source, target, escape)


@app.command(help=f"Decrypt what `veilbench cipher encrypt` made with the same model.\n\n{_WARNING}")
def decrypt(model: _Model, source: _Source, target: _Target) -> None:
    """Decrypt a file."""
    from veilbench.families.ciphers.files.file_tools import decrypt_file

    decrypt_file(model, source, target)
