"""Measure the file tools' speed in MB/s of text, compared with AES-CTR and with copying bytes, and their peak memory.

Run as `python benchmarks/file_speed.py [--megabytes 32] [--repeats 7]`. Containers stay in memory, so the disk is not
measured. The peak memory is that of whole processes that encrypt and decrypt files. No training is needed: the code
books are drawn at random.
"""

from __future__ import annotations

import argparse
import filecmp
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from veilbench.bench.trained_model import TrainedModel
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.aes_gcm import AesGcm
from veilbench.families.ciphers.files import container
from veilbench.families.ciphers.files.file_tools import decrypt_file, encrypt_file
from veilbench.families.ciphers.files.schemes import Scheme, create_scheme
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, draw_mapping

MEMORY_MEGABYTES = (64, 256)


def models() -> dict[str, TrainedModel]:
    rng = np.random.default_rng(0)

    def books(*bits: int) -> CodebookCipher:
        return CodebookCipher.from_mappings([draw_mapping(b, rng) for b in bits])

    return {
        "cipher_small (32 bits)": books(32),
        "cipher_large (56 bits)": books(56),
        "ensemble of 4 (32 bits)": books(32, 32, 32, 32),
        "ensemble (32, 40, 48, 56)": books(32, 40, 48, 56),
        "aes_ctr": AesCtr().with_fresh_key(rng),
        "aes_gcm": AesGcm().with_fresh_key(rng),
    }


def sample(megabytes: int) -> bytes:
    """Draw letters with roughly the frequencies of English, so that table look-ups are as for a real text."""
    letters = np.frombuffer(b"      eeeeeeetttttaaaaoooooiiiinnnnssshhhrrrdddllcumwfgypbvk,.TI", np.uint8)
    return np.random.default_rng(1).choice(letters, megabytes * 1_000_000).tobytes()


class Flow:
    """Encrypts and decrypts with one model, in memory that is allocated once."""

    def __init__(self, scheme: Scheme, text: bytes) -> None:
        self.scheme, self.text, self.sealed = scheme, io.BytesIO(text), io.BytesIO()
        self.back = io.BytesIO(bytes(len(text)))

    def encrypt(self) -> None:
        """Encrypt the text into a container."""
        self.text.seek(0)
        self.sealed.seek(0)
        container.write(self.scheme, self.text, self.sealed, "text", False, lambda done: None)
        self.sealed.truncate()

    def decrypt(self) -> None:
        """Decrypt the container to the text."""
        self.sealed.seek(0)
        self.back.seek(0)
        container.read(self.scheme, self.sealed, self.back, "sealed", "model", lambda done: None)


def timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def speeds(megabytes: int, repeats: int) -> None:
    text = sample(megabytes)
    jobs: dict[tuple[str, str], Callable[[], object]] = {}
    for name, model in models().items():
        scheme = create_scheme(model, name)
        scheme.compile()
        flow = Flow(scheme, text)
        jobs[name, "encrypt"], jobs[name, "decrypt"] = flow.encrypt, flow.decrypt
    source = np.frombuffer(text, np.uint8)
    room = np.zeros_like(source)
    jobs["memory copy", "encrypt"] = jobs["memory copy", "decrypt"] = lambda: np.copyto(room, source)
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in jobs}
    for repeat in range(repeats + 1):
        for key, job in jobs.items():
            seconds = timed(job)
            if repeat:  # the first round compiles and allocates memory
                taken[key].append(seconds)
    typical = {key: median(seconds) for key, seconds in taken.items()}
    print(f"{megabytes} MB of text, medians of {repeats} interleaved repeats, MB/s of text")
    print(f"{'':26}" + "".join(f"{way:>10}{'/ aes_ctr':>11}{'/ copy':>8}" for way in ("encrypt", "decrypt")))
    for name in dict.fromkeys(name for name, _ in jobs):
        line = f"{name:26}"
        for way in ("encrypt", "decrypt"):
            seconds = typical[name, way]
            to_aes, to_copy = typical["aes_ctr", way] / seconds, typical["memory copy", way] / seconds
            line += f"{megabytes / seconds:10.0f}{to_aes:11.3f}{to_copy:8.4f}"
        print(line)


def peak(way: str, *files: Path) -> float:
    """Measure the peak memory in MB of one operation in a separate process."""
    command = [sys.executable, __file__, "--peak", way, *map(str, files)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report_own_peak(way: str, model: Path, source: Path, target: Path) -> None:
    (encrypt_file if way == "encrypt" else decrypt_file)(model, source, target)
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def memory() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models()["ensemble (32, 40, 48, 56)"].save(folder)
        for megabytes in MEMORY_MEGABYTES:
            text, sealed, back = folder / "text", folder / "sealed", folder / "back"
            with text.open("wb") as file:  # in parts, because a process inherits its parent's peak memory
                for _ in range(megabytes):
                    file.write(sample(1))
            made, read = peak("encrypt", folder, text, sealed), peak("decrypt", folder, sealed, back)
            same = "the same text" if filecmp.cmp(text, back, shallow=False) else "ANOTHER TEXT"
            print(f"peak memory, {megabytes} MB file: encrypt {made:.0f} MB, decrypt {read:.0f} MB, {same}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=32, help="text per repeat")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peak", nargs=4, metavar=("WAY", "MODEL", "IN", "OUT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        report_own_peak(asked.peak[0], *map(Path, asked.peak[1:]))
        return
    memory()
    speeds(asked.megabytes, asked.repeats)


if __name__ == "__main__":
    main()
