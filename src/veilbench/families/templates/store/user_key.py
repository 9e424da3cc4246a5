"""A user's key in a file, kept separate from the templates; a new key renews the templates."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError

REMEDY = "`veilbench template key FILE` makes one"
MAGIC, BYTES = "veilbench-key-1", 32


@dataclass(frozen=True)
class UserKey:
    """A secret, and values derived from it with HMAC-SHA-256.

    Schemes take 64-bit keys, so an attacker with a template and an image of the same finger can try all 2^64 keys. The
    fingerprint does not make this easier, because it is derived from the 256-bit secret.

    Attributes:
        secret: 32 random bytes.
    """

    secret: bytes = field(repr=False)

    def number(self) -> np.uint64:
        """Return the 64-bit key that schemes take."""
        return np.uint64(int.from_bytes(self._derive("template key")[:8], "big"))

    def fingerprint(self, store: str) -> str:
        """Return 32 hexadecimal digits that identify the key in a store; they differ between stores."""
        return self._derive(f"fingerprint in {store}")[:16].hex()

    def _derive(self, purpose: str) -> bytes:
        return hmac.digest(self.secret, f"veilbench {purpose}".encode(), "sha256")


def create(path: Path) -> None:
    """Write a new key to a file that only its owner can read.

    Raises:
        UserError: the file exists already, or cannot be written.
    """
    secret = secrets.token_bytes(BYTES)
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except FileExistsError as error:
        raise UserError(f"{path} exists: a key is never overwritten, since its templates would be lost") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    try:
        with file:
            file.write(f"{MAGIC} {secret.hex()} {checksum(secret)}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()  # remove the incomplete file that this call created
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def read(path: Path) -> UserKey:
    """Read a key from its file.

    Raises:
        UserError: the file does not exist, is not a key, or is damaged.
    """
    try:
        words = path.read_text("ascii").split()
    except OSError as error:
        raise UserError(f"cannot read the key {path}: {error.strerror}; {REMEDY}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no key: {REMEDY}") from error
    if not words or words[0] != MAGIC:
        raise UserError(f"{path} is no key of the kind {MAGIC}: {REMEDY}")
    try:
        secret = bytes.fromhex(words[1])
        damaged = len(words) != 3 or len(secret) != BYTES or words[2] != checksum(secret)
    except (ValueError, IndexError):
        damaged = True
    if damaged:
        raise UserError(f"the key {path} is damaged: copy it again from where it is kept")
    return UserKey(secret)


def checksum(secret: bytes) -> str:
    """Return a checksum that detects damaged keys: 4 bytes of a hash, which do not help to guess the 32-byte secret."""
    return hashlib.sha256(b"veilbench key check" + secret).hexdigest()[:8]
