"""File encryption schemes of the models that can encrypt files, and their key material."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.aes_gcm import AesGcm
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.files.frames import CodebookFrames, CtrFrames, Frames, GcmFrames, derive_key
from veilbench.families.ciphers.files.member_ids import MemberIds
from veilbench.families.ciphers.files.tables import CodeTables, check_exact, count_code_bytes
from veilbench.families.ciphers.schemes.codebook import CodebookCipher

FINGERPRINT_BYTES = SALT_BYTES = 16


class Scheme(ABC):
    """Encrypts files with one model.

    Args:
        material: secret bytes that fully determine the encryption; all keys are derived from them.

    Attributes:
        fingerprint: 16 public bytes that identify the model and reveal nothing about its keys.
    """

    def __init__(self, material: bytes) -> None:
        self._material = material
        self.fingerprint = derive_key(material, b"", "fingerprint", FINGERPRINT_BYTES)

    @abstractmethod
    def frames(self, header: bytes, salt: bytes) -> Frames:
        """Create the object that encrypts or decrypts the frames of one file.

        Args:
            header: header of the container, which is authenticated.
            salt: random salt of the file.
        """

    @abstractmethod
    def compile(self) -> None:
        """Prepare for a large file, for example by compiling loops."""


class CodebookScheme(Scheme):
    """Code books. Their tables are the key, whether they were drawn at random or learned by networks.

    The material is ``codebook``, then, little-endian, the chunk (64 bits) and the count of members (32
    bits), then for each member its code bits (32 bits) and its 91 codes, each padded to whole bytes.
    """

    def __init__(self, cipher: CodebookCipher, name: str) -> None:
        check_exact(cipher, name)
        parts = [b"codebook", struct.pack("<QI", cipher.chunk, cipher.members)]
        for codes, bits, length in zip(cipher.codes, cipher.bits, count_code_bytes(cipher), strict=True):
            parts += [struct.pack("<I", int(bits)), codes[:, :length].tobytes()]
        super().__init__(b"".join(parts))
        self._tables, self._members, self._chunk = CodeTables(cipher), cipher.members, cipher.chunk

    def frames(self, header: bytes, salt: bytes) -> Frames:
        """Create the object that encrypts or decrypts the frames of one file, from its first character."""
        ids = MemberIds(self._members, self._chunk)
        return CodebookFrames(header, self._material, salt, self._tables, ids)

    def compile(self) -> None:
        """Use the compiled loops, if the codes and the environment allow it."""
        self._tables.compile()


class AesScheme(Scheme):
    """AES under the model's key. The material is ``aes-ctr`` or ``aes-gcm``, followed by the 32 bytes of the key."""

    def __init__(self, label: bytes, key: np.ndarray, kind: type[CtrFrames] | type[GcmFrames]) -> None:
        super().__init__(label + key.tobytes())
        self._kind = kind

    def frames(self, header: bytes, salt: bytes) -> Frames:
        """Create the object that encrypts or decrypts the frames of one file."""
        return self._kind(header, self._material, salt)

    def compile(self) -> None:
        """Do nothing: AES needs no preparation."""


def create_scheme(model: TrainedModel, name: str) -> Scheme:
    """Create the file encryption scheme of a model.

    Args:
        model: trained model, as returned by `load_trained_model`.
        name: name of the model in error messages.

    Raises:
        UserError: the model cannot encrypt files, or should not be used for it.
    """
    allowed = "files take code books, aes_ctr and aes_gcm"
    if isinstance(model, OneTimePad):
        raise UserError(
            f"{name}: a one-time pad needs fresh key as long as the file, and this bench's pad is a "
            f"reproducible stand-in; {allowed}"
        )
    if isinstance(model, Plaintext):
        raise UserError(f"{name}: plaintext encrypts nothing; {allowed}")
    if isinstance(model, CodebookCipher):
        return CodebookScheme(model, name)
    if isinstance(model, AesCtr):
        return AesScheme(b"aes-ctr", model.key, CtrFrames)
    if isinstance(model, AesGcm):
        return AesScheme(b"aes-gcm", model.key, GcmFrames)
    raise UserError(f"{name} is a {type(model).__name__}; {allowed}")
