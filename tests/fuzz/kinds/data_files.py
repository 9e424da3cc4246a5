"""A user's own data files, damaged or of another kind, met by the loaders."""

from __future__ import annotations

import random

from ..case import Case, Edit, Odd
from ..mutate import of_bytes, of_file
from ..template import LOADERS, Bench
from .commands import writes_of

FILES = {
    "file_csv": ("data/table.csv",), "file_npz": ("data/arrays.npz",),
    "file_idx": ("data/images.gz", "data/labels.idx"), "file_images": ("data/pictures/*/*",),
    "file_patches": ("data/pictures/red/*",), "file_movielens": ("data/u.data",), "file_faces": ("data/faces/*/*",),
    "file_faces_npz": ("data/faces.npz",), "file_mails": ("data/mails/*", "data/mails/*/*"),
    "file_mail_csv": ("data/mails.csv",), "file_mail_jsonl": ("data/mails.jsonl.gz",), "file_sms": ("data/sms",),
}  # fmt: skip
CELLS = (
    b"", b"nan", b"inf", b"1e400", b"-", b"1,5", b"\xff", b"\0", b'"', b"x" * 200000, b"99999999999999999999", b"0x1",
    b" 1", b"1 ", b"\xe2\x88\x92" b"1", b"#N/A", b"1e308", b"=1+1", b"true", b"\r", b"\n", b"\t", b"\xef\xbb\xbf",
)  # fmt: skip
HEADERS = (
    b"Content-Type: text/plain; charset=nope\n", b"Content-Type: multipart/mixed\n",
    b"Content-Transfer-Encoding: base64\n", b"Content-Type: ;;;\n", b"Subject: =?utf-8?b?!!!?=\n",
    b"Subject: =?nope?q?x?=\n", b"Content-Type: text/plain; charset=utf-16\n",
    b"Content-Transfer-Encoding: x-uuencode\n", b"Content-Type: multipart/mixed; boundary=\n",
    b"Content-Type: message/rfc822\n", b"Content-Disposition: attachment; filename*=nope''%ff\n",
    b"Content-Type: text/html; charset=idna\n", b"Content-Type: text/plain; charset=punycode\n",
    b"Content-Type: text/plain; charset=unicode_escape\n", b"Content-Type: text/plain; charset=\0\n",
    b"Content-Type: text/plain; charset=hex\n", b"Content-Type: text/plain; charset*=utf-8''%\n",
)  # fmt: skip


def make(rng: random.Random, bench: Bench) -> Case:
    """One file that a loader reads changed, then the stage `prepare`."""
    name = rng.choice(list(LOADERS))
    files: dict[str, Edit] = {}
    for path in rng.sample(bench.files(*FILES[name]), 1):
        files[path] = _damaged(rng, path, bench.read(path))
    return Case(("pipelines/prepare.py", name), files, writes_of("prepare", name))


def _damaged(rng: random.Random, path: str, content: bytes) -> Edit:
    way = rng.random()
    if way < 0.06:
        return rng.choice(list(Odd))
    if path.endswith(".gz") and way < 0.6:
        return _within(rng, content)
    if path.endswith((".csv", ".data", "sms")) and way < 0.6:
        return _cell(rng, content)
    if path.endswith((".eml", ".mbox")) and way < 0.6:
        return rng.choice(HEADERS) + (content if rng.random() < 0.5 else of_bytes(rng, content))
    return of_file(rng, path, content)


def _within(rng: random.Random, content: bytes) -> bytes:
    """Damage to what was compressed."""
    import gzip

    return gzip.compress(of_bytes(rng, gzip.decompress(content)), mtime=0)


def _cell(rng: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    place = rng.randrange(min(len(lines), rng.choice((1, 2, len(lines)))))
    mark = b"\t" if b"\t" in lines[place] else b","
    cells = lines[place].split(mark)
    cells[rng.randrange(len(cells))] = rng.choice(CELLS)
    lines[place] = mark.join(cells)
    return b"\n".join(lines)
