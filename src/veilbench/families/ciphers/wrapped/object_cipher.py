"""Any Python object that encrypts and decrypts bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from veilbench.bench.experiment import build_as
from veilbench.bench.foreign import foreign_errors
from veilbench.bench.limits import Depth
from veilbench.bench.roots import find_class
from veilbench.families.ciphers.schemes.base import Ciphertext
from veilbench.families.ciphers.wrapped.byte_cipher import ByteCipher, HeaderBytes, KeyBytes, call_cipher

METHODS = ("encrypt", "decrypt")


class ObjectCipher(ByteCipher):
    """An object with the methods `encrypt(bytes) -> bytes` and `decrypt(bytes) -> bytes`.

    Args:
        cipher: config node of the object, of a registered package, as `_target_` and arguments. If `key_bytes` is above
            0, the wrapper draws a key and passes it as the argument `key`, of type bytes.
        key_bytes: length of the key in bytes, which the wrapper draws; 0 if the cipher has its own key or none.
        header: bytes of ciphertext in front of the first block.
        block: number of characters per block.
        code: number of bytes of ciphertext per block.
    """

    takes_nodes: ClassVar[tuple[str, ...]] = ("cipher",)

    def __init__(
        self, cipher: Any, key_bytes: KeyBytes = 0, header: HeaderBytes = 0, block: Depth = 1, code: Depth = 1
    ) -> None:
        super().__init__(key_bytes, header, block, code)
        if not isinstance(cipher, Mapping):
            raise ValueError(f"cipher={cipher!r} must be a config node with a _target_")
        kind = find_class(cipher.get("_target_"), object, "model.cipher._target_")
        if missing := [name for name in METHODS if not callable(getattr(kind, name, None))]:
            raise ValueError(f"cipher={kind.__name__} has no method {missing[0]}; {' and '.join(METHODS)} are needed")
        self.cipher = dict(cipher)

    def described(self) -> str:
        """Return the name of the object's class."""
        return str(self.cipher["_target_"])

    @cached_property
    def _object(self) -> Any:
        key = {"key": self.key.tobytes()} if self.key_bytes else {}
        node = {**self.cipher, **key}
        with foreign_errors(f"{self.described()} cannot be constructed"):
            return build_as(object, node, "model.cipher")

    def _under(self, key: np.ndarray) -> ObjectCipher:
        cipher = super()._under(key)
        cipher.__dict__.pop("_object", None)  # the object of the other key
        return cipher

    def encrypt_bytes(self, plain: bytes) -> bytes:
        """Encrypt bytes under the key."""
        return call_cipher(self._object, "encrypt", plain, self.described())

    def decrypt_bytes(self, sealed: bytes) -> bytes:
        """Decrypt bytes as `encrypt_bytes` returned them."""
        return call_cipher(self._object, "decrypt", sealed, self.described())

    def decrypt_under(self, numbers: Sequence[int], ciphertext: Ciphertext) -> Iterator[np.ndarray]:
        """Yield the message decrypted under each key; keys are numbered as big-endian integers."""
        for number in numbers:
            key = np.frombuffer(number.to_bytes(self.key_bytes, "big"), np.uint8)
            yield self._under(key).decrypt(ciphertext)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        sizes = {"header": self.header, "block": self.block, "code": self.code}
        return {"cipher": self.cipher, "key_bytes": self.key_bytes, **sizes}
