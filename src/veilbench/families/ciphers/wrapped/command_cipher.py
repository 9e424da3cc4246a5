"""Any program that encrypts and decrypts files."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from annotated_types import Gt, Le

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Depth
from veilbench.families.ciphers.wrapped.byte_cipher import ByteCipher, HeaderBytes, KeyBytes

ALLOWED = "VEILBENCH_COMMANDS"  # environment variable with the programs that may be started
PLACES = ("{in}", "{out}")
SLOW = "each key that is tried starts a program"
Seconds = Annotated[float, Gt(0), Le(3600)]


class CommandCipher(ByteCipher):
    """Two command lines that encrypt and decrypt a file; they are started without a shell.

    `{in}` and `{out}` stand for the paths of the input and the output, `{key}` for the key in hexadecimal digits, and
    `{key_file}` for the path of a file with the key's bytes, which other users of the machine cannot see.

    A saved model names its commands, and whoever loads it would start them. So only programs are started that the
    environment variable `VEILBENCH_COMMANDS` lists, by their names or paths as in the command, separated by `:`.

    Args:
        encrypt: command line that encrypts, such as "mytool enc {key} {in} {out}".
        decrypt: command line that decrypts.
        key_bytes: length of the key in bytes, which the wrapper draws; 0 if the program has its own key or none.
        header: bytes of ciphertext in front of the first block.
        block: number of characters per block.
        code: number of bytes of ciphertext per block.
        timeout: seconds after which a program is ended.
    """

    def __init__(
        self,
        encrypt: str,
        decrypt: str,
        key_bytes: KeyBytes = 0,
        header: HeaderBytes = 0,
        block: Depth = 1,
        code: Depth = 1,
        timeout: Seconds = 10.0,
    ) -> None:
        super().__init__(key_bytes, header, block, code)
        self.commands, self.timeout = {"encrypt": encrypt, "decrypt": decrypt}, timeout
        for name, line in self.commands.items():
            _split(line, name)
            if missing := [place for place in PLACES if place not in line]:
                raise ValueError(f"{name}={line!r} must contain {' and '.join(PLACES)}; {missing[0]} is missing")
            if key_bytes and "{key}" not in line and "{key_file}" not in line:
                raise ValueError(f"{name}={line!r} must contain {{key}} or {{key_file}}, because key_bytes={key_bytes}")

    def described(self) -> str:
        """Return the command that encrypts."""
        return self.commands["encrypt"]

    def lacks(self) -> Mapping[str, str]:
        """Return what attacks cannot do with a program."""
        return {"decrypt_under": SLOW, **super().lacks()}

    def encrypt_bytes(self, plain: bytes) -> bytes:
        """Encrypt bytes by the command `encrypt`."""
        return self._run("encrypt", plain)

    def decrypt_bytes(self, sealed: bytes) -> bytes:
        """Decrypt bytes by the command `decrypt`."""
        return self._run("decrypt", sealed)

    def _run(self, name: str, content: bytes) -> bytes:
        words = _split(self.commands[name], name)
        program = _find_program(words[0], name)
        with TemporaryDirectory(prefix="veilbench-") as folder:
            paths = {place: Path(folder, place.strip("{}")) for place in (*PLACES, "{key_file}")}
            paths["{in}"].write_bytes(content)
            paths["{key_file}"].write_bytes(self.key.tobytes())
            values = {"{key}": self.key.tobytes().hex(), **{place: str(path) for place, path in paths.items()}}
            self._start([program, *(_fill(word, values) for word in words[1:])], name)
            if not paths["{out}"].is_file():
                raise UserError(f"{name}={self.commands[name]!r} wrote no file {{out}}")
            return paths["{out}"].read_bytes()

    def _start(self, arguments: list[str], name: str) -> None:
        line = f"{name}={self.commands[name]!r}"
        try:
            done = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=self.timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{line} did not end within timeout={self.timeout:g} seconds") from None
        except OSError as error:
            raise UserError(f"{line} cannot be started: {error.strerror}") from error
        if done.returncode:
            said = done.stderr.decode("utf8", "replace").strip().splitlines()[-1:] or ["no message"]
            raise UserError(f"{line} ended with code {done.returncode}: {said[0]}")

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        sizes = {"key_bytes": self.key_bytes, "header": self.header, "block": self.block, "code": self.code}
        return {**self.commands, **sizes, "timeout": self.timeout}


def _split(line: str, name: str) -> list[str]:
    """Split a command line into words, by the rules of a POSIX shell, without its expansions.

    Raises:
        ValueError: a quote is open, or there is no word.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ValueError(f"{name}={line!r} is no command line: {error}") from error
    if not words:
        raise ValueError(f"{name}={line!r} must name a program")
    return words


def _fill(word: str, values: Mapping[str, str]) -> str:
    for place, value in values.items():
        word = word.replace(place, value)
    return word


def _find_program(word: str, name: str) -> str:
    """Return the path of a program that may be started.

    Raises:
        UserError: the environment does not allow the program, or there is none of this name.
    """
    allowed = os.environ.get(ALLOWED, "").split(":")
    if word not in allowed:
        given = ", ".join(filter(None, allowed)) or "none"
        raise UserError(f"{name} starts {word}, and {ALLOWED} allows {given}: set {ALLOWED}={word} if you trust it")
    if not (found := shutil.which(word)):
        raise UserError(f"{name} starts {word}, and there is no such program")
    return found
