"""Encrypted files. A study object, not cryptography: the tag is sound, the code books are not.

All numbers are little-endian. A container is a header, frames, and an end record; nothing follows.

Header, 42 bytes::

    offset  size
         0     8  magic: 89 56 45 49 4c 0d 0a 1a (".VEIL", a line break as DOS writes it, an end of text)
         8     1  version: 1
         9     1  flags: bit 0 says that the text is escaped (module `escaping`); all others are 0
        10    16  fingerprint of the model: HKDF-SHA256 of its material (module `schemes`) without
                  salt, info "veilbench container 1: fingerprint"
        26    16  salt, random

Frame, for each part of the text, in order::

         0     4  n, characters in this frame: 1 to 2,097,152
         4     i  packed ids of the ensemble members drawn for the chunks that start in this frame
                  (module `member_ids`); i = 0 where the model has one member
       4+i     c  the n codes one behind the other, each in the whole bytes that its member's code bits need:
                  4 for 32 bits, 7 for 56, 5 for 33; the code's first bit is the highest of its first byte,
                  and the bits that fill the last byte are 0

For AES-CTR a frame has no ids and c = n: the characters under AES-256 in counter mode, which counts on from
frame to frame; the first counter block is 0 and the key is HKDF-SHA256 of the material and the salt, info
"veilbench container 1: cipher". For AES-GCM c = n + 16: the characters and their tag, under the key derived
likewise, the nonce (number of the frame from 0 on, 11 bytes big-endian, and a byte 0) and the header as
associated data.

End record, 28 bytes::

         0     4  0, where a frame has n
         4     8  bytes of the file that was encrypted, before escaping
        12    16  tag

The tag is Poly1305 over all bytes before it, under the 32-byte key HKDF-SHA256 of the material and the salt,
info "veilbench container 1: tag". For AES-GCM it is instead the tag of an empty message under the nonce
(count of frames, 11 bytes big-endian, and a byte 1), the header and the end record's first 12 bytes as
associated data.

For code books the tag is worth what the tables are: they are its key, all 91 codes of every member. Whoever
has found out the codes of the frequent letters reads the text, but cannot forge a tag without those of the
rare characters too. Model, length and members of a file are public.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.files.escaping import Unescaper, escape, first_outside, outside_error
from veilbench.families.ciphers.files.schemes import FINGERPRINT_BYTES, SALT_BYTES, Scheme

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC = b"\x89VEIL\r\n\x1a"
VERSION = 1
ESCAPED = 1
HEADER_BYTES = len(MAGIC) + 2 + FINGERPRINT_BYTES + SALT_BYTES
FRAME_LIMIT = 1 << 21
READ_BYTES = 1 << 18
"""Bytes of text in a frame: small enough for what is made of them to stay in a processor's cache."""


class Sink(Protocol):
    """What a file is written to."""

    def write(self, data: Buffer, /) -> object:
        """Take all of the data."""


Progress = Callable[[int], object]
"""Told of every part of the input that is done, in bytes."""


def _read_into(source: BinaryIO, view: memoryview) -> int:
    """Fill the view, or as much of it as there is to read; how many bytes were read."""
    filled = 0
    while filled < len(view) and (got := source.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += got
    return filled


def _refuse_outside(block: np.ndarray, source: BinaryIO, name: str, position: int) -> None:
    """Check that a block of a file is in the alphabet.

    Args:
        block: shape (length,), uint8.
        source: the file, behind the block; read only to name a character that reaches across.
        name: the file's name for the message.
        position: how many bytes come before the block.

    Raises:
        UserError: a byte is outside.
    """
    place = first_outside(block)
    if place >= 0:
        behind = bytearray(3)
        strange = block[place : place + 4].tobytes() + behind[: _read_into(source, memoryview(behind))]
        raise outside_error(name, strange[:4], position + place)


def write(scheme: Scheme, source: BinaryIO, sink: Sink, name: str, escaped: bool, progress: Progress) -> None:
    """Encrypt a file.

    Args:
        scheme: the model.
        source: the file.
        sink: takes the container.
        name: what to call the source in errors.
        escaped: write bytes outside the alphabet with two characters instead of refusing them.
        progress: told of bytes read.

    Raises:
        UserError: a character is outside the alphabet.
    """
    salt = os.urandom(SALT_BYTES)
    header = MAGIC + bytes([VERSION, ESCAPED if escaped else 0]) + scheme.fingerprint + salt
    sink.write(header)
    frames, length, room = scheme.frames(header, salt), 0, np.empty(READ_BYTES, np.uint8)
    while got := _read_into(source, room.data):
        block = room[:got]
        if escaped:
            text = escape(block)
        else:
            _refuse_outside(block, source, name, length)
            text = block
        sink.write(struct.pack("<I", len(text)))
        for part in frames.seal(text):
            sink.write(part)
        length += got
        progress(got)
    end = struct.pack("<IQ", 0, length)
    sink.write(end + frames.tag(end))


class _Reader:
    """Reads a container to its end and says so when it ends early."""

    def __init__(self, source: BinaryIO, name: str, progress: Progress) -> None:
        self._source, self._name, self._progress = source, name, progress

    def fill(self, view: memoryview) -> None:
        """Read exactly as many bytes as there is room for."""
        if _read_into(self._source, view) < len(view):
            raise UserError(f"{self._name} is cut short: it ends before its end record")
        self._progress(len(view))

    def take(self, size: int) -> bytes:
        """The next bytes, exactly as many."""
        room = bytearray(size)
        self.fill(memoryview(room))
        return bytes(room)

    def start(self) -> bytes:
        """The header, or as much of it as there is."""
        room = bytearray(HEADER_BYTES)
        got = _read_into(self._source, memoryview(room))
        self._progress(got)
        return bytes(room[:got])

    def finish(self) -> None:
        """Check that nothing follows."""
        if self._source.read(1):
            raise UserError(f"{self._name} was changed: bytes follow its end record")


def _check_header(head: bytes, scheme: Scheme, name: str, model: str) -> bool:
    """Whether the text is escaped."""
    if not head or head[: len(MAGIC)] != MAGIC[: len(head)]:
        raise UserError(f"{name} was not made by `veilbench encrypt`: it does not start with {MAGIC!r}")
    if len(head) < HEADER_BYTES:
        raise UserError(f"{name} is cut short: it has {len(head)} of the {HEADER_BYTES} bytes of a header")
    version, flags = head[len(MAGIC)], head[len(MAGIC) + 1]
    if version != VERSION:
        raise UserError(f"{name} has format version {version}; this program reads version {VERSION}")
    if flags & ~ESCAPED:
        raise UserError(f"{name} was changed: its flags are {flags}, version {VERSION} has 0 and {ESCAPED}")
    made_with = head[len(MAGIC) + 2 :][:FINGERPRINT_BYTES]
    if made_with != scheme.fingerprint:
        ours = scheme.fingerprint.hex()
        raise UserError(f"{name} is of another model: its fingerprint is {made_with.hex()}, {model} has {ours}")
    return bool(flags & ESCAPED)


def read(scheme: Scheme, source: BinaryIO, sink: Sink, name: str, model: str, progress: Progress) -> None:
    """Decrypt a container. The sink has unverified text until this returns: show it to nobody before.

    Args:
        scheme: the model.
        source: the container.
        sink: takes the text.
        name: what to call the source in errors.
        model: what to call the model in errors.
        progress: told of bytes read.

    Raises:
        UserError: it is no container, or of another model or version, or cut short, or changed.
    """
    reader = _Reader(source, name, progress)
    head = reader.start()
    unescape = Unescaper() if _check_header(head, scheme, name, model) else None
    frames, length = scheme.frames(head, head[-SALT_BYTES:]), 0
    try:
        while count := int.from_bytes(reader.take(4), "little"):
            if count > FRAME_LIMIT:
                raise ValueError(f"a frame claims {count} characters, {FRAME_LIMIT} are allowed")
            text = frames.open(count, reader.fill)
            data = unescape(text) if unescape else text
            sink.write(data.data)
            length += len(data)
        if unescape:
            unescape.finish()
    except ValueError as error:
        raise UserError(f"{name} was changed after it was written: {error}") from error
    size = reader.take(8)
    if not hmac.compare_digest(frames.tag(bytes(4) + size), reader.take(16)):
        raise UserError(f"{name} was changed after it was written: its tag does not fit")
    if int.from_bytes(size, "little") != length:
        raise UserError(f"{name} holds {length} bytes of text but says {int.from_bytes(size, 'little')}")
    reader.finish()
