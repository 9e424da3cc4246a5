"""Command lines of every script and of `veilbench`, with arguments missing, odd, or of another kind."""

from __future__ import annotations

import random

from ..case import Case, Edit, Odd
from ..mutate import misspelt, of_bytes
from ..template import Bench
from .words import EXPERIMENTS, STAGES, SWEEP, TRACKING

PATHS = (
    "letter.txt", "letter.veil", "mail.eml", "people.store", "alice.key", "alice_0.png", "results", "results/tiny_table/train",
    "results/tiny_prints/train", "results/tiny_mail/train", "results/tiny_net/train", "results/tiny_prints/evaluate", "conf",
    "data/table.csv", "data/arrays.npz", "data/pictures", "prepared/tiny_mail", "nothing", "nothing/at/all", "", ".", "..", "/",
    "/dev/null", "/dev/zero", "/proc/self/mem", "/proc/nothing/x", "é", "\udcff", "-", "--", "a" * 300, "thesis/chapter.txt", "a\nb",
    "letter.txt/x", "data/faces/p0/0.png", "mlflow.db", "~", "*",
)  # fmt: skip
PEOPLE = ("alice", "bob", "carol", "", " ", "é", "\udcff", "a" * 5000, "-x", "a\tb", "a\nb", "../x", "0", "ALICE")
OPTIONS = (
    ("--key", "alice.key"), ("--key", "letter.txt"), ("--key", "nothing"), ("--key",), ("--resize",), ("--threshold", "0.5"),
    ("--threshold", "nan"), ("--threshold", "inf"), ("--threshold", "x"), ("--fmr", "0.1"), ("--fmr", "0"), ("--fmr", "nan"),
    ("--fmr", "-1"), ("--fmr", "1e400"), ("--top", "0"), ("--top", "2"), ("--top", str(10**30)), ("--renew",), ("--forget",), ("--escape",),
    ("--nope",), ("--help",), ("-h",), ("--version",), ("--key=",),
)  # fmt: skip
STARTS = {
    "encrypt": ("results/tiny_table/train", "letter.txt", "out.veil"),
    "decrypt": ("results/tiny_table/train", "letter.veil", "out.txt"),
    "score": ("results/tiny_mail/train", "mail.eml"),
    "key": ("new.key",),
    "enroll": ("results/tiny_prints/train", "people.store", "carol", "carol_0.png", "--key", "alice.key"),
    "verify": ("results/tiny_prints/train", "people.store", "alice", "alice_1.png", "--key", "alice.key", "--fmr", "0.1"),
    "identify": ("results/tiny_prints/train", "people.store", "alice_1.png", "--key", "alice.key", "--fmr", "0.1"),
    "revoke": ("people.store", "alice"),
}  # fmt: skip
FILES = ("letter.txt", "letter.veil", "mail.eml", "people.store", "alice.key", "alice_0.png", "alice_1.png", "carol_0.png")
SCRIPTS = ("prepare", "train", "evaluate", "attack", "report", "track", "resolve", "search", "repro", "sweep", "flower_deploy")


def make(rng: random.Random, bench: Bench) -> Case:
    """A command line of `veilbench`, or of a script."""
    return _veilbench(rng, bench) if rng.random() < 0.7 else _script(rng, bench)


def _veilbench(rng: random.Random, bench: Bench) -> Case:
    name = rng.choice(list(STARTS))
    words = list(STARTS[name])
    files: dict[str, Edit] = {}
    if rng.random() < 0.55:
        path = rng.choice([path for path in FILES if path in words] or FILES)
        files[path] = rng.choice((Odd.GONE, Odd.FOLDER, Odd.DANGLING, *[of_bytes(rng, bench.read(path))] * 6))
    for _ in range(rng.choice((0, 1, 1, 2)) if files else rng.choice((1, 1, 2))):
        _change(rng, words)
    called = misspelt(rng, name) if rng.random() < 0.02 else name
    if not words or rng.random() < 0.01:
        return Case(("veilbench",), files)
    writes = tuple(word for word in words if not word.startswith("-") and word not in ("", ".", ".."))
    allowed = {"encrypt": writes[2:3], "decrypt": writes[2:3], "key": writes[:1], "revoke": writes[:1], "enroll": writes[1:2]}
    own = tuple(pattern for path in allowed.get(name, ()) for pattern in (_literal(path), f"{_literal(path)}.lock"))
    return Case(("veilbench", called, *words), files, own, (0, 1) if name in ("verify", "identify", "enroll", "revoke") else (0,))


def _literal(path: str) -> str:
    return path.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


def _change(rng: random.Random, words: list[str]) -> None:
    change, place = rng.randrange(6), rng.randrange(len(words) or 1)
    if change == 0 and words:
        del words[place]
    elif change == 1:
        words.insert(place, rng.choice((*PATHS, *PEOPLE)))
    elif change in (2, 3) and words:
        words[place] = rng.choice(PEOPLE if words[place] in PEOPLE and rng.random() < 0.7 else PATHS)
    elif change == 4 and words:
        words[place] = misspelt(rng, words[place])
    else:
        words += rng.choice(OPTIONS)


def _script(rng: random.Random, bench: Bench) -> Case:
    name = rng.choice(SCRIPTS)
    experiment = rng.choice(list(EXPERIMENTS))
    odd = rng.choice((experiment, misspelt(rng, experiment), "", "..", "/etc/passwd", "é", "\udcff", "a" * 300, "data/tiny_text", "-h", "--nope"))
    words = {
        "prepare": [rng.choice((EXPERIMENTS[experiment], odd))],
        "report": rng.choice(([], ["--table"], ["--tabel"], [odd])),
        "track": rng.choice(([], [odd], ["results/tiny_net"], ["outputs/mine/earlier"], ["outputs/mine/earlier", odd], ["multirun/old"])),
        "resolve": rng.choice(([], [odd])),
        "search": rng.choice(([], ["autoencoder"], ["autoencoder", "seed=-1"], ["autoencoder", "experiment=nope"], [odd], ["seed=1"], ["../x"])),
        "repro": [rng.choice(("0", "-1", "x", "", "1.5", "é", "²", "1 1"))] + rng.choice(([], ["1"])),
        "sweep": rng.choice((["-m", "seed=range(0)"], ["-m", f"experiment={experiment}", "seed=range(0)"], [], ["-m"], [odd])),
        "flower_deploy": rng.choice(([], ["nothing"], ["nothing", "out"], ["prepared/tiny_mail", "out", "rounds"], ["prepared/tiny_mail", "out", "rounds=x"])),
    }.get(name, [odd])  # fmt: skip
    if name == "repro" and words == ["1"]:
        words = ["0"]
    if rng.random() < 0.15:
        words = rng.choice(([], [*words, "more"]))
    if name == "repro" and not words:
        words = ["many"]  # a whole rebuild takes too long here
    files: dict[str, Edit] = {}
    if rng.random() < 0.25:
        some = rng.choice(bench.files("params/*.yaml", "params/data/tiny*.yaml", "dvc.yaml", f"results/{experiment}/*/*.json"))
        files[some] = rng.choice((Odd.GONE, Odd.FOLDER, Odd.DANGLING))
    return Case((f"pipelines/{name}.py", *words), files, writes_of(name))


def writes_of(script: str) -> tuple[str, ...]:
    """What a script may write to."""
    if script in STAGES:
        return (f"results/*/{script}", f"results/*/{script}/*", "results/.controls", "results/.controls/*", "results/*")
    return {
        "prepare": ("prepared", "prepared/*"),
        "report": ("report", "report/*"),
        "track": TRACKING,
        "resolve": ("params", "params/*"),
        "search": SWEEP,
        "sweep": SWEEP,
    }.get(script, ())
