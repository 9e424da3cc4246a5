"""Ciphers as a user may bring them, and a program that encrypts files."""

from __future__ import annotations

import sys
from pathlib import Path


class Xor:
    """Repeats a short key: the same text always has the same ciphertext."""

    def __init__(self, key: bytes = b"k") -> None:
        self.key = key

    def encrypt(self, plain: bytes) -> bytes:
        return bytes(byte ^ self.key[place % len(self.key)] for place, byte in enumerate(plain))

    decrypt = encrypt


class Lossy(Xor):
    def decrypt(self, sealed: bytes) -> bytes:
        return super().decrypt(sealed)[:-1]


class Failing(Xor):
    def encrypt(self, plain: bytes) -> bytes:
        raise RuntimeError("no\nentropy")


class Wordy(Xor):
    def encrypt(self, plain: bytes) -> str:  # type: ignore[override]
        return plain.decode()


if __name__ == "__main__":
    key, source, target = sys.argv[1:4]
    if key == "fail":
        sys.exit("first line\nthe key is refused")
    if key == "sleep":
        import time

        time.sleep(30)
    if key != "silent":
        Path(target).write_bytes(Xor(bytes.fromhex(key)).encrypt(Path(source).read_bytes()))
