"""Text ciphers: networks that encrypt and decrypt text, with standard cryptography for comparison.

The names below are for plug-ins: the contracts of models, data and attacks.
"""

from typing import TYPE_CHECKING

from veilbench.bench.lazy_names import import_on_use

if TYPE_CHECKING:  # read by type checkers, and by `bench.sources` for the digests of code
    from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack
    from veilbench.families.ciphers.baselines.stream import StreamCipher
    from veilbench.families.ciphers.data.text import TextData, Texts
    from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext

__all__ = [
    "Cipher",
    "CipherAttack",
    "Ciphertext",
    "StreamCipher",
    "TextData",
    "Texts",
]

__getattr__ = import_on_use(
    __name__,
    {
        "Cipher": "schemes.base",
        "CipherAttack": "attacks.cipher_attack",
        "Ciphertext": "schemes.base",
        "StreamCipher": "baselines.stream",
        "TextData": "data.text",
        "Texts": "data.text",
    },
)
