"""Signatures on the list of survivors, by which clients find out whether all of them were sent the same list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def generate_signing_keys() -> tuple[bytes, str]:
    """Generate a private Ed25519 key, 32 bytes, and its public key in hexadecimal digits."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw().hex()


def sign_survivors(private: bytes, survivors: Iterable[int]) -> str:
    """Sign a list of clients, whatever its order.

    Args:
        private: private key of the signer, 32 bytes.
        survivors: numbers of the clients whose masked updates are added.

    Returns:
        The signature, in hexadecimal digits.
    """
    return Ed25519PrivateKey.from_private_bytes(private).sign(_serialize(survivors)).hex()


def find_signers(survivors: Iterable[int], signatures: Mapping[int, str], keys: Mapping[int, str]) -> set[int]:
    """Return the clients whose signature on this very list is valid.

    Args:
        survivors: numbers of the clients, as the verifying client was sent them.
        signatures: signature of each client, in hexadecimal digits.
        keys: public key of each client that the verifying client knows, in hexadecimal digits.
    """
    content = _serialize(survivors)
    return {who for who in signatures.keys() & keys.keys() if _is_valid(keys[who], signatures[who], content)}


def _is_valid(key: str, signature: str, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _serialize(survivors: Iterable[int]) -> bytes:
    return json.dumps(sorted(set(survivors))).encode()
