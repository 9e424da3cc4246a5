"""The pages about attacks and threat models, from conf/attack and the docstrings of the classes that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repository import CONF, ROOT, Class, read_class, read_comment, read_yaml, table
from veilbench.bench.report.published import load_published

THREAT_MODEL = "veilbench.bench.threat.ThreatModel"
GRANTED_BY_DEFAULT = ("ciphertext", "public_ids")  # a test compares it with the class
RESULTS = ROOT / "docs" / "results.json"
EVIDENCE = Path(__file__).with_name("attack_evidence.yaml")
EVIDENCE_ROWS = {
    "reference": "**after**",
    "budget": "**budget**",
    "published": "**published**",
    "ours": "**here, on the same**",
    "command": "**by**",
    "growth": "**growth**",
}
FAMILIES = ("ciphers", "autoencoders", "templates", "mail")
HEAD = """# Attacks

Every attack is a file of `conf/attack/`: a class, a [threat model](threat_models.md), and two controls. An attack sees
what its threat model grants and nothing else. The `..._full` files have larger budgets. This page is made from
`conf/attack/` and the docstrings of the classes. "Growth with the budget" is from the [results](results.md), where the
attack has a budget that can be raised.
"""
THREATS = """# Threat models

A threat model says what an attacker has. It is a set of flags, and an attack gets access to nothing else: an attack
whose threat model lacks a flag that it needs is refused while the experiment is composed. By Kerckhoffs' principle the
scheme itself is always known. `{default}` are granted unless an attack's file says otherwise.

To change a threat model, set its flags, such as `attack.template_linkage.threat.weights=true`.

## Flags

{flags}
## What each attack is granted

{attacks}
"""


def merged(name: str) -> dict[str, Any]:
    """Return the content of an attack's file, with that of the file that it changes."""
    own = read_yaml(CONF / "attack" / f"{name}.yaml")
    base = next((one for one in own.get("defaults", []) if one != "_self_"), None)
    return {**(merged(base) if base else {}), **own}


def names() -> list[str]:
    """Return the names of all attacks."""
    return sorted(path.stem for path in (CONF / "attack").glob("*.yaml"))


def granted(name: str) -> list[str]:
    """Return the flags of an attack's threat model that are set."""
    threat = merged(name).get("threat", {})
    return [flag for flag in read_class(THREAT_MODEL).values if threat.get(flag, flag in GRANTED_BY_DEFAULT)]


def describe_attacks() -> str:
    """Return the page about attacks: a section for each family, and within it one for each class."""
    by_class: dict[str, list[str]] = {}
    for name in names():
        by_class.setdefault(merged(name)["_target_"], []).append(name)
    parts = [HEAD]
    for family in FAMILIES:
        parts.append(f"## {family.capitalize()}\n")
        inside = [read_class(target) for target in by_class if target.split(".")[2] == family]
        parts += [_describe_class(one, by_class[one.name]) for one in sorted(inside, key=lambda one: one.title)]
    return "\n".join(parts)


def describe_threats() -> str:
    """Return the page about threat models."""
    flags = table(["flag", "the attacker"], [[f"`{k}`", v] for k, v in read_class(THREAT_MODEL).values.items()])
    own = [name for name in names() if "_target_" in read_yaml(CONF / "attack" / f"{name}.yaml")]
    attacks = table(["attack", "granted"], [[_link(name), _listed(granted(name))] for name in own])
    return THREATS.format(flags=flags, attacks=attacks, default="`, `".join(GRANTED_BY_DEFAULT))


def _describe_class(one: Class, files: list[str]) -> str:
    rows = [[_anchored(name), _listed(granted(name)), *_controls(name)] for name in files]
    head = ["file", "granted", "must be broken", "must withstand"]
    if any(notes := [read_comment(_path(name)) for name in files]):
        head, rows = [*head, "note"], [[*row, note] for row, note in zip(rows, notes, strict=True)]
    return "\n".join([f"### {one.title}\n\n{one.about}\n", table(head, rows), *_growth(files), *_evidence(files[0])])


def _growth(files: list[str]) -> list[str]:
    """Return a table of the gain against the budget, for the experiments of the published results."""
    rows = [
        [f"`{row['name']}`", f"`{name}`", *_describe_curve(attack["budget"])]
        for row in load_published(RESULTS).rows
        for name, attack in row["attacks"].items()
        if name in files and attack.get("budget") and len(attack["budget"]["budgets"]) > 1
    ]
    head = ["experiment", "attack", "budget", "gain at each budget"]
    return ["Growth with the budget:\n", table(head, rows)] if rows else []


def _describe_curve(curve: dict[str, Any]) -> tuple[str, str]:
    points = zip(curve["budgets"], curve["gains"], strict=True)
    return curve["setting"], "; ".join(f"{budget:,g}: {gain:.2f}" for budget, gain in points)


def _evidence(name: str) -> list[str]:
    """Return where the attack is from, and how it compares with published runs and other programs."""
    found = read_yaml(EVIDENCE).get(name, {})
    rows = [[label, str(found[key])] for key, label in EVIDENCE_ROWS.items() if key in found]
    return [table(["", ""], rows)] if rows else []


def _path(name: str) -> Path:
    return CONF / "attack" / f"{name}.yaml"


def _controls(name: str) -> list[str]:
    controls = [merged(name).get(kind, {}).get("_target_", "") for kind in ("positive", "negative")]
    return [f"`{target.rpartition('.')[2]}`" if target else "the attack's own" for target in controls]


def _listed(flags: list[str]) -> str:
    return ", ".join(f"`{flag}`" for flag in flags)


def _anchored(name: str) -> str:
    return f'<a id="{name}"></a>`{name}`'


def _link(name: str) -> str:
    return f"[`{name}`](attacks.md#{name})"
