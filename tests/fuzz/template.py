"""The bench that every input meets: small experiments with their records, data files, a store, a user's files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .world import BENCH

ROOT = Path(__file__).parents[2]
DATA = {
    "tiny_text": "defaults: [text, _self_]\nwords: [60, 80]\ndocstrings: false\n",
    "tiny_digits": "defaults: [digits, _self_]\nmost_rows: 120\n",
    "tiny_rows": "defaults: [table, _self_]\nsource: {label: colour}\nnormal: [red]\n",
    "tiny_prints": "defaults: [prints_small, _self_]\nsource: {identities: 24, impressions: 3, size: 48}\n",
    "tiny_mail": (
        "defaults: [mail_small, _self_]\nsource: {mails: 150, words: [5, 60]}\n"
        "tokeniser: {most_words: 512}\nclients: {sizes: [20, 20]}\n"
    ),
}
EXPERIMENTS = {
    "tiny_table": (
        "tiny_text",
        """# @package _global_
defaults:
  - override /data: tiny_text
  - override /model: substitution
  - override /training: none
  - override /evaluation: [fidelity]
  - override /attack: [chosen_plaintext]

attack: {chosen_plaintext: {games: 20, queries: 24, length: 8}}
evaluation: {fidelity: {length: 500}}
""",
    ),
    "tiny_net": (
        "tiny_digits",
        """# @package _global_
defaults:
  - override /data: tiny_digits
  - override /model: undercomplete
  - override /training: rows
  - override /evaluation: [reconstruction]
  - override /trainer: cpu

training: {max_steps: 5, batch_size: 16, steps_per_call: 5}
""",
    ),
    "tiny_rows": (
        "tiny_rows",
        """# @package _global_
defaults:
  - override /data: tiny_rows
  - override /model: mahalanobis
  - override /training: none
  - override /evaluation: [anomaly]
""",
    ),
    "tiny_prints": (
        "tiny_prints",
        """# @package _global_
defaults:
  - override /data: tiny_prints
  - override /model: biohash
  - override /training: none
  - override /evaluation: [deployment]

model: {extractor: {kind: pixels, components: 30}, bits: 24}
evaluation: {deployment: {fmr: [0.1], keys: 5, repeats: 10}}
""",
    ),
    "tiny_mail": (
        "tiny_mail",
        """# @package _global_
defaults:
  - override /data: tiny_mail
  - override /model: logistic_filter
  - override /training: none
  - override /evaluation: [filtering]

evaluation: {filtering: {iterations: 5}}
""",
    ),
}
LOADERS: dict[str, dict[str, Any]] = {
    "file_csv": {"_target_": "loaders.table_file.TableFile", "path": "data/table.csv", "label": "colour"},
    "file_npz": {"_target_": "loaders.npz_file.NpzFile", "path": "data/arrays.npz"},
    "file_idx": {"_target_": "loaders.idx_file.IdxFiles", "images": "data/images.gz", "labels": "data/labels.idx"},
    "file_images": {"_target_": "loaders.image_folder.ImageFolder", "path": "data/pictures", "size": 8},
    "file_patches": {"_target_": "loaders.patch_folder.PatchFolder", "path": "data/pictures/red", "size": 6},
    "file_movielens": {"_target_": "loaders.movielens.MovieLens", "path": "data/u.data"},
    "file_faces": {"_target_": "identity_loaders.image_folder.ImageFolder", "folder": "data/faces", "size": [24, 24]},
    "file_faces_npz": {"_target_": "identity_loaders.identity_npz.IdentityNpz", "path": "data/faces.npz"},
    "file_mails": {"_target_": "mail_loaders.mail_folder.MailFolder", "path": "data/mails"},
    "file_mail_csv": {"_target_": "mail_loaders.mail_csv.MailCsv", "path": "data/mails.csv"},
    "file_mail_jsonl": {"_target_": "mail_loaders.mail_jsonl.MailJsonl", "path": "data/mails.jsonl.gz"},
    "file_sms": {"_target_": "mail_loaders.sms_spam_collection.SmsSpamCollection", "path": "data/sms"},
}
SIDE = 48  # of the prints of `tiny_prints`
Run = Callable[..., None]


def build(template: Path, run: Run, everything: bool = True) -> None:
    """Make the template.

    Args:
        template: a folder to make.
        run: runs a command in the bench, and raises where it fails.
        everything: with the records of all stages, the store and the tracking store, not only what composing needs.
    """
    bench = template / BENCH
    bench.mkdir(parents=True)
    for name in ("conf", "pipelines"):
        shutil.copytree(ROOT / name, bench / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, bench)
    _write_conf(bench)
    _write_user_files(template, bench)
    _write_data(bench / "data")
    run("pipelines/resolve.py")
    _write_loaders(bench)
    if everything:
        _run_stages(bench, run)


def _run_stages(bench: Path, run: Run) -> None:
    for name in DATA:
        run("pipelines/prepare.py", name)
    for name in EXPERIMENTS:
        for stage in ("train", "evaluate", "attack"):
            run(f"pipelines/{stage}.py", name)
    run("pipelines/report.py")
    run("pipelines/track.py")
    run("pipelines/sweep.py", "experiment=tiny_table", "seed=5", "tracking=none", "hydra.run.dir=outputs/mine/earlier")
    run("veilbench", "template", "key", "alice.key")
    people = ("alice", "bob", "carol")
    for place, person in enumerate(people):
        for number in range(2):
            _print(bench / f"{person}_{number}.png", place, number)
    for person in people[:2]:
        run("veilbench", "template", "enroll", "results/tiny_prints/train", "people.store", person, f"{person}_0.png",
            "--key", "alice.key")  # fmt: skip
    run("veilbench", "cipher", "encrypt", "results/tiny_table/train", "letter.txt", "letter.veil")


def _write_conf(bench: Path) -> None:
    for name, text in DATA.items():
        (bench / "conf" / "data" / f"{name}.yaml").write_text(text)
    for name, (_, text) in EXPERIMENTS.items():
        (bench / "conf" / "experiment" / f"{name}.yaml").write_text(text)
    shutil.copy(ROOT / "dvc.yaml", bench)
    (bench / "conf" / "pipeline.yaml").write_text(yaml.safe_dump({"experiments": list(EXPERIMENTS)}))
    (bench / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    (bench / ".dvc").mkdir()
    (bench / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")


def _write_user_files(template: Path, bench: Path) -> None:
    """What a user has beside the work at hand, which nothing may touch."""
    for path, text in {
        bench / "letter.txt": "A letter that nobody else should read. " * 4,
        bench / "thesis" / "chapter.txt": "all of last year's work",
        bench / ".git" / "HEAD": "ref: refs/heads/main\n",
        bench / "mail.eml": "Subject: lunch\n\nAre you free at noon?\n",
        bench / "multirun" / "old" / "0" / "mine.txt": "an earlier job's",
        bench.parent / "neighbour.txt": "beside the bench",
        bench.parent / "photos" / "cat.txt": "purr",
        template / "outer.txt": "two folders up",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


OF_LOADERS = {  # folder in `LOADERS` -> family, and the data set that reads through it
    "loaders": ("autoencoders", "rows.RowsData"),
    "identity_loaders": ("templates", "identities.IdentitiesData"),
    "mail_loaders": ("mail", "mail.MailData"),
}


def _write_loaders(bench: Path) -> None:
    """Resolved data sets, one for each loader of files, as the stage `prepare` takes them."""
    for name, source in LOADERS.items():
        folder, _, loader = source["_target_"].partition(".")
        family, kind = OF_LOADERS[folder]
        node: dict[str, Any] = {"_target_": f"veilbench.families.{family}.data.{kind}"}
        node["source"] = source | {"_target_": f"veilbench.families.{family}.data.loaders.{loader}"}
        if family == "mail":
            tokeniser = {"_target_": "veilbench.families.mail.data.tokeniser.Tokeniser", "most_words": 512}
            clients = {"_target_": "veilbench.families.mail.data.clients.UnequalClients", "sizes": [3, 3]}
            node |= {"tokeniser": tokeniser, "clients": clients, "split": [0.5, 0.1, 0.1, 0.3]}
        content = {"data": node, "digests": {"prepare": "0123456789abcdef"}}
        (bench / "params" / "data" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def _print(path: Path, person: int, number: int) -> None:
    """Broad stripes, which run another way for each person."""
    from PIL import Image

    across, along = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    angle = 1.0 + 0.9 * person
    stripes = np.sin((across * np.cos(angle) + along * np.sin(angle)) / (3 + person) + 2 * person)
    noise = np.random.default_rng(number).normal(0, 0.1, stripes.shape)
    Image.fromarray((127 + 100 * np.clip(stripes + noise, -1, 1)).astype(np.uint8)).save(path)


def _write_data(folder: Path) -> None:
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = [["length", "weight", "kind", "colour"]]
    lines += [[f"{rng.normal():.3f}", f"{rng.normal():.3f}", "ab"[i % 2], ["red", "blue"][i % 2]] for i in range(40)]
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(lines)
    (folder / "table.csv").write_text(table.getvalue())
    np.savez(folder / "arrays.npz", X=rng.normal(size=(40, 3)), y=np.arange(40) % 2)
    pixels = rng.integers(0, 256, (30, 6, 6), np.uint8)
    (folder / "images.gz").write_bytes(gzip.compress(b"\0\0\x08\x03" + _lengths(30, 6, 6) + pixels.tobytes(), mtime=0))
    Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder.parent / "digit.png")
    (folder / "labels.idx").write_bytes(b"\0\0\x08\x01" + _lengths(30) + bytes(i % 3 for i in range(30)))
    for colour in ("red", "blue"):
        (folder / "pictures" / colour).mkdir(parents=True)
        for number, end in enumerate(("png", "tif", "png", "bmp", "jpg", "png", "png", "ppm")):
            image = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
            image.save(folder / "pictures" / colour / f"{number}.{end}")
    faces = rng.integers(0, 256, (24, 24, 24), np.uint8)
    np.savez(folder / "faces.npz", images=faces, identities=np.arange(24) // 3)
    for number, face in enumerate(faces):
        (folder / "faces" / f"p{number // 3}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(folder / "faces" / f"p{number // 3}" / f"{number % 3}.png")
    ratings = [f"{user}\t{item}\t{1 + (user * item) % 5}\t88125{user}" for user in range(1, 21) for item in range(1, 6)]
    (folder / "u.data").write_text("\n".join(ratings) + "\n")
    _write_mails(folder, rng)


def _lengths(*axes: int) -> bytes:
    return b"".join(axis.to_bytes(4, "big") for axis in axes)


def _write_mails(folder: Path, rng: np.random.Generator) -> None:
    words = ["meeting", "lunch", "offer", "cheap", "pills", "report", "friday", "winner", "prize", "thanks"]
    mails = [" ".join(rng.choice(words, 12)) + f" number {i}" for i in range(40)]
    labels = ["ham" if i % 2 else "spam" for i in range(40)]
    for number, (mail, label) in enumerate(zip(mails, labels, strict=True)):
        path = folder / "mails" / label / f"{number}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"From: a{number}@example.org\nSubject: =?utf-8?q?hello_{number}?=\nMIME-Version: 1.0\n"
        body = f'Content-Type: multipart/alternative; boundary="b"\n\n--b\nContent-Type: text/plain\n\n{mail}\n--b\n'
        html = f"Content-Type: text/html; charset=iso-8859-1\n\n<p>{mail}</p>\n--b--\n"
        path.write_text(head + body + html)
    box = "".join(f"From a@example.org Sat Jan  1 00:00:00 2022\nSubject: {m[:8]}\n\n{m}\n\n" for m in mails[:9])
    (folder / "mails" / "ham.mbox").write_text(box)
    table = io.StringIO()
    csv.writer(table).writerows([("text", "label"), *zip(mails, labels, strict=True)])
    (folder / "mails.csv").write_text(table.getvalue())
    entries = [{"text": mail, "label": label, "set": mail[:1]} for mail, label in zip(mails, labels, strict=True)]
    lines = "\n".join(json.dumps(entry) for entry in entries)
    (folder / "mails.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    (folder / "sms").write_text("".join(f"{label}\t{mail}\n" for mail, label in zip(mails, labels, strict=True)))


class Bench:
    """What the makers of inputs know of the template.

    Args:
        template: the folder that `build` made.
    """

    def __init__(self, template: Path) -> None:
        self.folder = template / BENCH

    def read(self, path: str) -> bytes:
        """A file's content."""
        return (self.folder / path).read_bytes()

    def files(self, *patterns: str) -> list[str]:
        """Paths of the files that match, in order."""
        found = {path for pattern in patterns for path in self.folder.glob(pattern) if path.is_file()}
        return sorted(str(path.relative_to(self.folder)) for path in found)

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """The groups of conf/ and the choices in each."""
        conf = self.folder / "conf"
        return {
            group.name: sorted(path.stem for path in group.glob("*.yaml"))
            for group in sorted(conf.iterdir())
            if group.is_dir()
        }

    @cache  # noqa: B019 - one bench for each process
    def settings(self, experiment: str) -> dict[str, Any]:
        """The dotted keys of an experiment and their values."""
        content = yaml.safe_load(self.read(f"params/{experiment}.yaml"))
        return {key: value for key, value in _flat(content) if not key.startswith(("names", "digests"))}


def _flat(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(node, dict):
        return [(prefix, node)]
    inner = [pair for key, child in node.items() for pair in _flat(child, f"{prefix}.{key}" if prefix else str(key))]
    return [(prefix, node), *inner] if prefix else inner
