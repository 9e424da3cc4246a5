"""Commands in README.md and docs/: cheap ones run, and the others are parsed and composed as they would be."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from dvc.cli.parser import get_main_parser
from dvc.utils.hydra import apply_overrides
from typer.main import get_command
from typer.testing import CliRunner

from pages import MADE
from veilbench.cli import app
from veilbench.workflow.arguments import check_arguments
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.conf import choices

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OWN = (
    "veilbench templates",
    "my_bench",
    "model=mine",
    "experiment=mine",
    "ridges",
    "gabor",
    "data=voices",
)  # of a reader's bench
PROGRAMS = ("veilbench", "python", "dvc", "make", "pip", "pytest")


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
    """Check overrides as the command would, without running anything; of a grid, jobs that hold all its values.

    Of a range of seeds, the first and the last: whatever accepts these accepts the numbers between them.
    """
    words = [re.sub(r"^seed=range\((?:(\d+),)?(\d+)\)$", first_and_last, word) for word in words]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("veilbench.workflow.arguments.CHECKED", 8)
        check_arguments([word for word in words if word not in ("-m", "--multirun")] + ["--multirun"])


def first_and_last(seeds: re.Match[str]) -> str:
    return f"seed={seeds[1] or 0},{int(seeds[2]) - 1}"


@pytest.mark.parametrize("command", [one for one in NAMED if one.startswith("veilbench ")])
def test_a_command_of_veilbench_runs_or_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what is cheap; compose the settings of what trains; parse the arguments of what works on files."""
    monkeypatch.chdir(ROOT)
    name, *words = shlex.split(command)[1:]
    if name == "list" or name.startswith("-"):
        assert CliRunner().invoke(app, [name, *words]).exit_code == 0
        return
    known = get_command(app)
    with known.make_context("veilbench", [name, *words], resilient_parsing=True) as context:
        sub = known.get_command(context, name)  # type: ignore[attr-defined]
        assert sub is not None, f"there is no veilbench {name}"
        parse(sub, words, context)
    if name in ("run", "plan") and words:
        shown = CliRunner().invoke(app, [name, *(word for word in words if word != "force=true"), "--cfg", "job"])
        assert shown.exit_code == 0, shown.output
        assert "seed:" in shown.output
    if name == "sweep" and words:
        composes(words)
    if name == "search":
        assert words[0] in choices("search")


def parse(command: click.Command, words: list[str], parent: click.Context) -> None:
    """Parse a command's arguments as the command line does, down to the last group, without running it.

    Raises:
        click.UsageError: an option is unknown, or an argument is missing.
    """
    if isinstance(command, click.Group):
        if words and not words[0].startswith("-"):
            name, *rest = words
            for one in name.split("|"):  # `template enroll|verify`
                inner = command.get_command(parent, one)
                assert inner is not None, f"there is no {parent.command_path} {one}"
                if rest:
                    parse(inner, rest, parent)
    else:
        command.make_context(command.name, list(words), parent=parent)


@pytest.mark.parametrize("command", [one for one in NAMED if not one.startswith(("veilbench ", "dvc "))])
def test_a_command_names_what_there_is(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "python" and words[0].endswith(".py"):
        assert (ROOT / words[0]).is_file()
        if words[0] == "pipelines/sweep.py":
            composes(words[1:])
    elif program == "python" and words[0] == "-m":
        assert find_spec(words[1]) is not None
    elif program == "make":
        done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["optional-dependencies"]
        asked = re.findall(r"\[([\w,]+)\]", command)
        assert {name for found in asked for name in found.split(",")} <= set(extras)
    elif program == "pytest":
        for path in (word for word in words if word.startswith("tests/")):
            assert (ROOT / path).exists()


@pytest.mark.parametrize("command", [one for one in NAMED if one.startswith("dvc ")])
def test_a_command_of_dvc_is_understood(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = get_main_parser().parse_args(shlex.split(command)[1:])
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for target in found.targets or [] if found.cmd in ("repro", "exp") else []:
        stage, _, name = target.partition("@")
        assert stage in stages
        assert not name or name in {*choices("experiment"), *choices("data")}
    changes = [change.partition(":") for change in getattr(found, "set_param", None) or []]
    if not changes:
        return
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(tmp_path)
    for file, _, override in changes:
        apply_overrides(tmp_path / file, [override])
    config = plain(composed([f"experiment={Path(changes[0][0]).stem}"]))
    for _, _, override in changes:
        key, value = override.lstrip("+").split("=")
        assert str(select(config, key)) == value


def select(node: Any, key: str) -> Any:
    """Return the value at a dotted key of a composed configuration."""
    for name in key.split("."):
        node = node[name]
    return node


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf8"), flags=re.S)
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    made = {(ROOT / "docs" / name).resolve() for name in MADE}  # only the site has these pages
    paths = {target: (page.parent / target).resolve() for target in targets}
    missing = [target for target, path in paths.items() if not path.exists() and path not in made]
    assert missing == []
