"""The format of encrypted files. For study only: the authentication tag is secure, the code books are not.

All numbers are little-endian. A container is a header, frames, and an end record; nothing follows.

Header, 42 bytes::

    offset  size
         0     8  magic: 89 56 45 49 4c 0d 0a 1a (".VEIL", a DOS line break, an end-of-file character)
         8     1  version: 1
         9     1  flags: bit 0 is set if the text is escaped (module `escaping`); all others are 0
        10    16  fingerprint of the model: HKDF-SHA256 of its material (module `schemes`) without
                  salt, info "veilbench container 1: fingerprint"
        26    16  salt, random

Frame, for each part of the text, in order::

         0     4  n, characters in this frame: 1 to 2,097,152
         4     i  packed ids of the ensemble members drawn for the chunks that start in this frame
                  (module `member_ids`); i = 0 if the model has one member
       4+i     c  the n codes, concatenated, each padded to the whole bytes that its member's code bits need:
                  4 for 32 bits, 7 for 56, 5 for 33; the code's first bit is the highest of its first byte,
                  and the padding bits of the last byte are 0

For AES-CTR a frame has no ids and c = n: the characters under AES-256 in counter mode, whose counter continues
from frame to frame; the first counter block is 0 and the key is HKDF-SHA256 of the material and the salt, info
"veilbench container 1: cipher". For AES-GCM c = n + 16: the characters and their tag, under a key derived in
the same way, the nonce (number of the frame from 0, 11 bytes big-endian, and a byte 0) and the header as
associated data.

End record, 28 bytes::

         0     4  0, in the place of a frame's n
         4     8  bytes of the file that was encrypted, before escaping
        12    16  authentication tag

The tag is Poly1305 over all bytes before it, under the 32-byte key HKDF-SHA256 of the material and the salt,
info "veilbench container 1: tag". For AES-GCM it is instead the tag of an empty message under the nonce
(count of frames, 11 bytes big-endian, and a byte 1), the header and the end record's first 12 bytes as
associated data.

For code books the key of the tag is derived from the tables: all 91 codes of every member. An attacker who has
recovered the codes of the frequent letters can read the text, but can forge a tag only if they know the codes of the
rare characters too. The model, the length and the members of a file are public.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.files.escaping import Unescaper, escape, find_outside, outside_error
from veilbench.families.ciphers.files.schemes import FINGERPRINT_BYTES, SALT_BYTES, Scheme

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC = b"\x89VEIL\r\n\x1a"
VERSION = 1
ESCAPED = 1
HEADER_BYTES = len(MAGIC) + 2 + FINGERPRINT_BYTES + SALT_BYTES
FRAME_LIMIT = 1 << 21
READ_BYTES = 1 << 18
"""Bytes of text per frame: small enough for the intermediate results to stay in the processor's cache."""


class Sink(Protocol):
    """A destination that file contents are written to."""

    def write(self, data: Buffer, /) -> object:
        """Write all of the data."""


Progress = Callable[[int], object]
"""Callback that receives the number of input bytes processed since the last call."""


def _read_into(source: BinaryIO, view: memoryview) -> int:
    """Fill the view as far as the source allows; return the number of bytes read."""
    filled = 0
    while filled < len(view) and (read := source.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += read
    return filled


def _refuse_outside(block: np.ndarray, source: BinaryIO, name: str, position: int) -> None:
    """Check that all bytes of a block are in the alphabet.

    Args:
        block: bytes of the file, shape (length,), uint8.
        source: the file, positioned after the block; the error message may need the rest of a multi-byte character.
        name: name of the file in the error message.
        position: number of bytes of the file before the block.

    Raises:
        UserError: a byte is outside the alphabet.
    """
    index = find_outside(block)
    if index >= 0:
        following = bytearray(3)
        invalid = block[index : index + 4].tobytes() + following[: _read_into(source, memoryview(following))]
        raise outside_error(name, invalid[:4], position + index)


def write(scheme: Scheme, source: BinaryIO, sink: Sink, name: str, escaped: bool, progress: Progress) -> None:
    """Encrypt a file.

    Args:
        scheme: encryption scheme of the model.
        source: the file to encrypt, opened in binary mode.
        sink: destination of the container.
        name: name of the source in error messages.
        escaped: encode bytes outside the alphabet as two characters instead of rejecting them.
        progress: called with the number of bytes read.

    Raises:
        UserError: a character is outside the alphabet, and `escaped` is false.
    """
    salt = os.urandom(SALT_BYTES)
    header = MAGIC + bytes([VERSION, ESCAPED if escaped else 0]) + scheme.fingerprint + salt
    sink.write(header)
    frames, length, buffer = scheme.frames(header, salt), 0, np.empty(READ_BYTES, np.uint8)
    while read := _read_into(source, buffer.data):
        block = buffer[:read]
        if escaped:
            text = escape(block)
        else:
            _refuse_outside(block, source, name, length)
            text = block
        sink.write(struct.pack("<I", len(text)))
        for part in frames.seal(text):
            sink.write(part)
        length += read
        progress(read)
    end = struct.pack("<IQ", 0, length)
    sink.write(end + frames.tag(end))


class _Reader:
    """Reads a container and raises an error if it ends early."""

    def __init__(self, source: BinaryIO, name: str, progress: Progress) -> None:
        self._source, self._name, self._progress = source, name, progress

    def fill(self, view: memoryview) -> None:
        """Fill the whole view with the next bytes.

        Raises:
            UserError: the container ends before the view is full.
        """
        if _read_into(self._source, view) < len(view):
            raise UserError(f"{self._name} is cut short: it ends before its end record")
        self._progress(len(view))

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            UserError: fewer bytes are left.
        """
        buffer = bytearray(size)
        self.fill(memoryview(buffer))
        return bytes(buffer)

    def read_header(self) -> bytes:
        """Return the header, or the whole file if it is shorter."""
        buffer = bytearray(HEADER_BYTES)
        read = _read_into(self._source, memoryview(buffer))
        self._progress(read)
        return bytes(buffer[:read])

    def check_end(self) -> None:
        """Check that the container ends here.

        Raises:
            UserError: more bytes follow.
        """
        if self._source.read(1):
            raise UserError(f"{self._name} was changed: bytes follow its end record")


def _check_header(head: bytes, scheme: Scheme, name: str, model: str) -> bool:
    """Check the header; return whether the text is escaped.

    Raises:
        UserError: the file is not a container, is truncated, or is of another version or model.
    """
    if not head or head[: len(MAGIC)] != MAGIC[: len(head)]:
        raise UserError(f"{name} was not made by `veilbench cipher encrypt`: it does not start with {MAGIC!r}")
    if len(head) < HEADER_BYTES:
        raise UserError(f"{name} is cut short: it has {len(head)} of the {HEADER_BYTES} bytes of a header")
    version, flags = head[len(MAGIC)], head[len(MAGIC) + 1]
    if version != VERSION:
        raise UserError(f"{name} has format version {version}; this program reads version {VERSION}")
    if flags & ~ESCAPED:
        raise UserError(f"{name} was changed: its flags are {flags}, version {VERSION} has 0 and {ESCAPED}")
    fingerprint = head[len(MAGIC) + 2 :][:FINGERPRINT_BYTES]
    if fingerprint != scheme.fingerprint:
        expected = scheme.fingerprint.hex()
        raise UserError(f"{name} is of another model: its fingerprint is {fingerprint.hex()}, {model} has {expected}")
    return bool(flags & ESCAPED)


def read(scheme: Scheme, source: BinaryIO, sink: Sink, name: str, model: str, progress: Progress) -> None:
    """Decrypt a container. Do not use the text in the sink before this returns: it is not authenticated until then.

    Args:
        scheme: encryption scheme of the model.
        source: the container, opened in binary mode.
        sink: destination of the decrypted text.
        name: name of the container in error messages.
        model: name of the model in error messages.
        progress: called with the number of bytes read.

    Raises:
        UserError: the source is not a container, is of another model or version, or was truncated or modified.
    """
    reader = _Reader(source, name, progress)
    head = reader.read_header()
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
    reader.check_end()
