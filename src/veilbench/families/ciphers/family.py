"""Columns that the report shows for text ciphers."""

from veilbench.bench.family import Family
from veilbench.bench.report.specs import Rate, Utility

FAMILY = Family(
    "ciphers",
    "Text ciphers",
    data=(
        "veilbench.families.ciphers.data.text.TextData",
        "veilbench.families.ciphers.data.text_file.TextFileData",
    ),
    columns=(
        Utility("fidelity.round_trip_english", "Round trip", "Share of unseen English that is decrypted correctly"),
        Utility("fidelity.bytes_per_character", "Bytes per character", "Bytes of ciphertext per character", 2),
    ),
    rates=(
        Rate(
            "speed.encrypt_characters_per_second",
            "speed.decrypt_characters_per_second",
            "Encrypt (decrypt)",
            "Characters per second, in memory",
        ),
    ),
)
