"""Commands in README.md and docs/: each names a script, a subcommand, settings and files that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from veilbench.cli import app
from veilbench.workflow.arguments import check_arguments
from veilbench.workflow.conf import choices

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN = (
    "veilbench templates",
    "my_bench",
    "model=mine",
    "experiment=mine",
    "ridges",
    "gabor",
    "data=voices",
)  # of a reader's bench
PROGRAMS = ("veilbench", "python", "dvc", "make", "pytest")


def commands(page: Path) -> list[str]:
    """Return the commands in a page's code, whole lines or within a sentence, without comments."""
    text = page.read_text("utf8").replace("\\\n", " ")
    blocks = re.findall(r"^```(?:sh|bash|shell)?\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"^(?: {4}\S.*\n)+", text, re.M)
    lines = [line.strip() for block in [*blocks, *indented] for line in block.splitlines()]
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]
    return [one for line in [*lines, *inline] for one in parts(line) if one.split(" ")[0] in PROGRAMS and " " in one]


def parts(line: str) -> list[str]:
    """Return the commands in a line, which `;` and `&&` separate."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    found: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", ";"):
            found.append([])
        elif word.endswith(";"):
            found[-1].append(word[:-1])
            found.append([])
        else:
            found[-1].append(word)
    return [shlex.join(one) for one in found if one]


FOUND = sorted({command for page in PAGES for command in commands(page)})
NAMED = [
    command
    for command in FOUND
    if not any(own in command for own in OWN) and not re.search(r"\.\.\.|[<{]|NAME", command)
]


def test_commands_are_found() -> None:
    assert len(NAMED) > 40
    assert any(command.startswith("veilbench sweep") for command in NAMED)


def composes(words: list[str]) -> None:
    """Check overrides as the command would, without running anything."""
    check_arguments([word for word in words if word not in ("-m", "--multirun")] + ["--multirun"])


@pytest.mark.parametrize("command", NAMED)
def test_a_command_names_what_there_is(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program, *words = shlex.split(command)
    if program == "veilbench":
        known = set(get_command(app).commands)  # type: ignore[attr-defined]
        assert words[0] in known or words[0].startswith("-"), f"there is no veilbench {words[0]}"
        if words[0] in ("run", "sweep", "plan") and words[1:]:
            composes(words[1:])
        if words[0] == "search":
            assert words[1] in choices("search")
    elif program == "python" and words[0].endswith(".py"):
        assert (ROOT / words[0]).is_file()
        if words[0] == "pipelines/sweep.py":
            composes(words[1:])
    elif program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.M)
    elif program == "pytest":
        for path in (word for word in words if word.startswith("tests/")):
            assert (ROOT / path).exists()
    elif words[0] == "repro":
        stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
        for target in (word for word in words[1:] if not word.startswith("-")):
            stage, _, name = target.partition("@")
            assert stage in stages
            assert not name or name in {*choices("experiment"), *choices("data")}
    elif words[:2] == ["exp", "run"]:
        for change in (word for word in words[2:] if ":" in word):
            file, _, override = change.partition(":")
            assert (ROOT / file).is_file()
            key = override.partition("=")[0]
            node = yaml.safe_load((ROOT / file).read_text()) or {}
            assert key.startswith("+") or key in node, f"{key} is not in {file}: it takes a +"
            group, name = Path(file).parent.name, Path(file).stem
            experiment = [f"{group}={name}"] if group == "experiment" else ["experiment=pca", f"{group}={name}"]
            if group in ("experiment", "seed"):
                composes([*experiment, override.lstrip("+")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf8"), flags=re.S)
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []
