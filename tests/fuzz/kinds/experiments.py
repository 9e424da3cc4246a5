"""Files of conf/ as a user writes them, with the slips of people and the traps of YAML."""

from __future__ import annotations

import random
from collections.abc import Callable

import yaml

from ..case import Case, Edit
from ..mutate import of_bytes, of_lines, of_yaml
from ..template import Bench
from .words import EVIL, EXPERIMENTS, RESOLVED, SWEEP, injected

LINES = (
    b"\tseed: 1", b"seed: [1, 2", b"seed: {a: 1", b"seed: 'open", b'seed: "open', b"seed: *nobody",
    b"seed: 1\nseed: 2", b"seed: &a [*a]", b"<<: *nobody", b"<<: {seed: 1}", b"model: null", b"model:", b"model: []",
    b"model: 3", b"data: null", b"attack: {frequncy: {lengths: [10]}}", b"attack: {chosen_plaintxt: {games: 3}}",
    b"attack: {chosen_plaintext: {gmes: 3}}", b"evaluation: {fidelty: {length: 5}}", b"evaluation: null",
    b"attack: null", b"attack: [frequency]", b"training: null", b"trainer: null", b"tracking: null",
    b"objective: [1]", b"seed: .nan", b"seed: .inf", b"seed: 1e3", b"seed: 0o17", b"seed: 2001-01-01",
    b"seed: 2001-01-01 10:00:00", b"seed: !!binary aGVsbG8=", b"seed: !!set {a, b}", b"seed: !!timestamp 2001-01-01",
    b"seed: !nope 1", b"? [a, b]\n: 1", b"1: 2", b"null: 2", b"true: 2", b"[1]: 2", b"'': 2", b"a.b: 2", b"seed: ???",
    b"seed: ${nope}", b"seed: ${seed}", b"model: ${data}", b"data: ${model}", b"seed: ${oc.env:NOPE}", b"seed: ${",
    b"\xff\xfe", b"seed: \xc3\x28", b"seed: \x00", b"\xef\xbb\xbfseed: 1", b"---\nseed: 1\n---\nseed: 2",
    b"%YAML 9.9", b"...", b"@", b"`", b"seed: |", b"seed: >9", b"- a", b"seed: 1\n - a",
    b"seed: " + b"[" * 1500 + b"]" * 1500, b"seed: " + b"9" * 5000, b"x: 1", b"hydra: {run: {dir: thesis}}",
    b"hydra: null", b"names: {data: x}", b"digests: {train: x}",
    b"seed: !!python/object/apply:os.system ['touch CANARY']", b"seed: !!python/name:os.system", b"defaults: 3",
    b"defaults: []", b"defaults:\n  - nope", b"defaults:\n  - override /model: nope",
    b"defaults:\n  - /model: aes_ctr", b"defaults:\n  - override /data: tiny_mail",
    b"defaults:\n  - override /model: pca", b"defaults:\n  - override /attack: [frequency, nope]",
    b"defaults:\n  - override /attack: frequency", b"defaults:\n  - override /attack: [template_oracle]",
    b"defaults:\n  - {override /model: null}", b"defaults:\n  - _self_\n  - _self_",
    b"defaults:\n  - override /evaluation: [deployment]", b"defaults:\n  - override /training: hashmap",
)  # fmt: skip
WHOLE = (
    b"", b"\n", b"# nothing", b"3", b"null", b"- a\n- b", b"'text'", b"\xff\xfe\x00", b"\x00", b"# @package _global_",
    b"# @package nope.x\nseed: 1", b"# @package\nseed: 1", b"# @package _global_\ndefaults:\n  - tiny_table\n",
    b"# @package _global_\ndefaults:\n  - ../experiment/tiny_net\n",
    b"!!python/object/apply:os.system ['touch CANARY']", b"{", b"a: b: c", b"\t", b"seed: 1",
)  # fmt: skip


def make(rng: random.Random, bench: Bench) -> Case:
    """One file of conf/ changed, then a sweep or the stage `resolve`."""
    name = rng.choice(list(EXPERIMENTS))
    path = f"conf/experiment/{name}.yaml"
    if rng.random() < 0.35:
        path = rng.choice(_parts(bench, name))
    files: dict[str, Edit] = {"evil.py": EVIL, path: rng.choice(_WAYS)(rng, bench.read(path))}
    if rng.random() < 0.12:
        return Case(("pipelines/resolve.py",), files, RESOLVED)
    return Case(("pipelines/sweep.py", f"experiment={name}", "tracking=none"), files, SWEEP)


def _parts(bench: Bench, name: str) -> list[str]:
    """The other files that an experiment is composed of."""
    model = {
        "tiny_table": "substitution",
        "tiny_net": "undercomplete",
        "tiny_rows": "mahalanobis",
        "tiny_prints": "biohash",
        "tiny_mail": "logistic_filter",
    }
    parts = [
        f"conf/data/{EXPERIMENTS[name]}.yaml",
        f"conf/model/{model[name]}.yaml",
        "conf/config.yaml",
        "conf/trainer/auto.yaml",
    ]
    return [
        part
        for part in (*parts, "conf/training/none.yaml", "conf/tracking/none.yaml")
        if (bench.folder / part).is_file()
    ]


def _line(rng: random.Random, content: bytes) -> bytes:
    line = rng.choice(LINES)
    if rng.random() < 0.3:
        lines = content.split(b"\n")
        lines.insert(rng.randrange(len(lines) + 1), line)
        return b"\n".join(lines)
    return content + line + b"\n"


def _bomb(rng: random.Random, content: bytes) -> bytes:
    """Aliases of aliases: a file of half a kilobyte that stands for a billion values."""
    depth, width = rng.choice(((3, 4), (9, 9), (20, 2), (6, 20)))
    lines = ["l0: &l0 [x, x]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * width)}]" for i in range(1, depth)]
    key = rng.choice(("seed", "model", "objective", "attack"))
    return content + "\n".join([*lines, f"{key}: *l{depth - 1}"]).encode() + b"\n"


def _cycle(rng: random.Random, content: bytes) -> bytes:
    key = rng.choice(("seed", "model", "data", "attack", "objective"))
    return content + f"{key}: &c {{x: 1, y: *c}}\n".encode()


def _injection(rng: random.Random, content: bytes) -> bytes:
    key = rng.choice(
        ("model", "data", "training", "tracking", "trainer", "attack", "evaluation", "objective", "seed", "hydra")
    )
    node: object = injected(rng)
    if key in ("attack", "evaluation"):
        node = {"x": node}
    if key == "hydra":
        node = rng.choice(({"launcher": node}, {"sweeper": node}, {"callbacks": {"x": node}}))
    return content + yaml.safe_dump({key: node}).encode()


def _other(rng: random.Random, content: bytes) -> bytes:
    return rng.choice(WHOLE)


_WAYS: list[Callable[[random.Random, bytes], bytes]] = [
    _line, _line, _line, _line, of_yaml, of_yaml, of_yaml, of_lines, of_bytes, _bomb, _cycle, _injection, _injection,
    _other,
]  # fmt: skip
