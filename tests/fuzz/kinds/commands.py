"""Command lines of every script and of `veilbench`, with arguments missing, odd, or of another kind."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

from ..case import Case, Edit, Odd
from ..mutate import misspelt, of_bytes
from ..template import Bench
from .words import CONTROLS, EXPERIMENTS, RESOLVED, STAGES, SWEEP, TRACKING

PATHS = (
    "letter.txt", "letter.veil", "mail.eml", "people.store", "alice.key", "alice_0.png", "results",
    "results/tiny_table/train", "results/tiny_prints/train", "results/tiny_mail/train", "results/tiny_net/train",
    "results/tiny_prints/evaluate", "conf", "data/table.csv", "data/arrays.npz", "data/pictures",
    "prepared/tiny_mail", "nothing", "nothing/at/all", "", ".", "..", "/", "/dev/null", "/dev/zero", "/proc/self/mem",
    "/proc/nothing/x", "é", "\udcff", "-", "--", "a" * 300, "thesis/chapter.txt", "a\nb", "letter.txt/x",
    "data/faces/p0/0.png", "mlflow.db", "~", "*",
)  # fmt: skip
OLD, MAIL = "outputs/mine/earlier", "prepared/tiny_mail"
PEOPLE = ("alice", "bob", "carol", "", " ", "é", "\udcff", "a" * 5000, "-x", "a\tb", "a\nb", "../x", "0", "ALICE")
OPTIONS = (
    ("--key", "alice.key"), ("--key", "letter.txt"), ("--key", "nothing"), ("--key",), ("--resize",),
    ("--threshold", "0.5"), ("--threshold", "nan"), ("--threshold", "inf"), ("--threshold", "x"), ("--fmr", "0.1"),
    ("--fmr", "0"), ("--fmr", "nan"), ("--fmr", "-1"), ("--fmr", "1e400"), ("--top", "0"), ("--top", "2"),
    ("--top", str(10**30)), ("--renew",), ("--forget",), ("--escape",), ("--nope",), ("--help",), ("-h",),
    ("--version",), ("--key=",),
)  # fmt: skip
PRINTS = "results/tiny_prints/train"
STARTS = {
    "cipher encrypt": ("results/tiny_table/train", "letter.txt", "out.veil"),
    "cipher decrypt": ("results/tiny_table/train", "letter.veil", "out.txt"),
    "mail score": ("results/tiny_mail/train", "mail.eml"), "template key": ("new.key",),
    "autoencoder score": ("results/tiny_rows/train", "data/table.csv", "--out", "scores.csv"),
    "autoencoder restore": ("results/tiny_net/train", "digit.png", "--out", "restored"),
    "template enroll": (PRINTS, "people.store", "carol", "carol_0.png", "--key", "alice.key"),
    "template verify": (PRINTS, "people.store", "alice", "alice_1.png", "--key", "alice.key", "--fmr", "0.1"),
    "template identify": (PRINTS, "people.store", "alice_1.png", "--key", "alice.key", "--fmr", "0.1"),
    "template revoke": ("people.store", "alice"),
}  # fmt: skip
MATCHES = ("verify", "identify", "enroll", "revoke")  # commands that end with 1 if there is no match
CODES = {f"template {name}": (0, 1) for name in MATCHES}
FILES = (
    "letter.txt", "letter.veil", "mail.eml", "people.store", "alice.key", "alice_0.png", "alice_1.png", "carol_0.png",
    "data/table.csv", "digit.png",
)  # fmt: skip
NAMES = ("", "..", "/etc/passwd", "é", "\udcff", "a" * 300, "data/tiny_text", "-h", "--nope", "NAME", "DATA", "NAME~")
LINES: dict[str, tuple[str, ...]] = {  # what stands behind each script, words apart by blanks; ODD is one of NAMES
    "prepare": ("DATA", "DATA", "ODD", ""), "train": ("ODD", ""), "evaluate": ("ODD", ""), "attack": ("ODD", ""),
    "report": ("", "--table", "--tabel", "ODD"),
    "track": ("", "ODD", "results/tiny_net", OLD, f"{OLD} {OLD}", f"{OLD} ODD", "multirun/old"), "resolve": ("", "ODD"),
    "search": ("", "autoencoder", "autoencoder seed=-1", "autoencoder experiment=nope", "ODD", "seed=1", "../x"),
    "repro": ("0", "-1", "x", "1.5", "é", "²", "1 1", "ODD"),  # a whole rebuild would take too long
    "sweep": ("-m seed=range(0)", "-m experiment=NAME seed=range(0)", "", "-m", "ODD"),
    "flower_deploy": ("", "nothing", "nothing out", f"{MAIL} out rounds", f"{MAIL} out rounds=x", f"{MAIL} out x=1"),
}  # fmt: skip


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
    allowed = {
        "cipher encrypt": writes[2:3],
        "cipher decrypt": writes[2:3],
        "template key": writes[:1],
        "template revoke": writes[:1],
        "template enroll": writes[1:2],
        "autoencoder score": _behind(words, "--out"),
        "autoencoder restore": _behind(words, "--out"),
    }
    paths = allowed.get(name, ())
    own = tuple(pattern for path in paths for pattern in (literal(path), f"{literal(path)}.lock", f"{literal(path)}/*"))
    return Case(("veilbench", *called.split(" "), *words), files, own, CODES.get(name, (0,)))


def _behind(words: list[str], option: str) -> tuple[str, ...]:
    """Return the paths that stand right behind an option, and their folders, which may be made."""
    paths = [Path(word) for before, word in pairwise(words) if before == option and word not in ("", ".", "..")]
    return tuple(str(place) for path in paths for place in (path, *path.parents) if str(place) not in (".", "/"))


def literal(path: str) -> str:
    """A pattern that matches this path alone."""
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
    name, experiment = rng.choice(list(LINES)), rng.choice(list(EXPERIMENTS))
    line = rng.choice(LINES[name])
    words = [rng.choice(NAMES) if word == "ODD" else word for word in line.split()]
    meant = {"NAME": experiment, "DATA": EXPERIMENTS[experiment], "NAME~": misspelt(rng, experiment)}
    words = [meant.get(word, word).replace("NAME", experiment) for word in words]
    if rng.random() < 0.1:
        words.append("more")
    files: dict[str, Edit] = {}
    if rng.random() < 0.25:
        patterns = ("params/*.yaml", "params/data/tiny*.yaml", "conf/pipeline.yaml", f"results/{experiment}/*/*.json")
        files[rng.choice(bench.files(*patterns))] = rng.choice(list(Odd))
    return Case((f"pipelines/{name}.py", *words), files, writes_of(name, *words[:1]))


def writes_of(script: str, name: str = "") -> tuple[str, ...]:
    """What a script may write to.

    Args:
        script: without its suffix.
        name: of the experiment or the data set that it is given.
    """
    own = {"prepare": f"prepared/{literal(name)}", "report": "report"}.get(script)
    if script in STAGES:
        own = f"results/{literal(name)}/{script}"
    if own:
        return (own, f"{own}/*", *(CONTROLS if script == "attack" else ()))
    return {"resolve": RESOLVED, "track": TRACKING, "search": SWEEP, "sweep": SWEEP}.get(script, ())
