"""A slow container reader written from the documentation of the format, with nothing of the package in it."""

from __future__ import annotations

import hashlib
import hmac
import struct


def hkdf(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256, for at most 32 bytes."""
    extracted = hmac.digest(salt or bytes(32), material, hashlib.sha256)
    return hmac.digest(extracted, info + b"\1", hashlib.sha256)[:length]


def poly1305(key: bytes, message: bytes) -> bytes:
    """RFC 8439, 2.5."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for start in range(0, len(message), 16):
        total = (total + int.from_bytes(message[start : start + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def unescaped(text: bytes) -> bytes:
    singles = [b for b in range(32, 123) if b not in (94, 96)]
    strangers = [b for b in range(256) if b not in singles]
    said, i = bytearray(), 0
    while i < len(text):
        if text[i] in (94, 96):
            said.append(strangers[(0 if text[i] == 94 else 89) + singles.index(text[i + 1])])
            i += 1
        else:
            said.append(text[i])
        i += 1
    return bytes(said)


def read_container(sealed: bytes, books: list[tuple[int, list[bytes]]], chunk: int) -> bytes:
    """Decrypt a container of code books.

    Args:
        sealed: the container.
        books: for each member its code bits and its 91 codes.
        chunk: characters that one member encrypts in a row.
    """
    material = b"codebook" + struct.pack("<QI", chunk, len(books))
    for bits, codes in books:
        material += struct.pack("<I", bits) + b"".join(codes)
    assert sealed[:9] == bytes.fromhex("89 56 45 49 4c 0d 0a 1a 01")
    flags, fingerprint, salt = sealed[9], sealed[10:26], sealed[26:42]
    assert fingerprint == hkdf(material, b"", b"veilbench container 1: fingerprint", 16)
    per_byte = 1
    while len(books) ** (per_byte + 1) <= 256 and per_byte < 8:
        per_byte += 1
    text, place, member = bytearray(), 42, 0
    while count := struct.unpack_from("<I", sealed, place)[0]:
        assert count <= 2_097_152
        place += 4
        starts = sum(1 for i in range(len(text), len(text) + count) if i % chunk == 0)
        ids: list[int] = []
        if len(books) > 1:
            for value in sealed[place : place + -(-starts // per_byte)]:
                for _ in range(per_byte):
                    ids.append(value % len(books))
                    value //= len(books)
                assert value == 0
            place += -(-starts // per_byte)
            assert not any(ids[starts:])
        for _ in range(count):
            if len(text) % chunk == 0 and len(books) > 1:
                member = ids.pop(0)
            bits, codes = books[member]
            size = -(-bits // 8)
            text.append(32 + codes.index(sealed[place : place + size]))
            place += size
    data = unescaped(bytes(text)) if flags & 1 else bytes(text)
    assert struct.unpack_from("<Q", sealed, place + 4)[0] == len(data)
    key = hkdf(material, salt, b"veilbench container 1: tag", 32)
    assert sealed[place + 12 :] == poly1305(key, sealed[: place + 12])
    return data
