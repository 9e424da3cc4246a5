"""Makes a new bench: a folder with configuration, a package with an example model, and the stages for DVC."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.folders import write_whole_folder

TEMPLATE = Path(__file__).parent / "new_bench"
CODE = "encoder.py"
RENAMED = {  # under their own names they would take effect within the template
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
    "dvc_stages.yaml": "dvc.yaml",
}


def main(arguments: list[str]) -> None:
    """Make a bench in a new folder, with git and DVC set up; see `veilbench init --help`.

    Args:
        arguments: the folder.

    Raises:
        UserError: the folder exists, or its name cannot be the name of a package.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UserError(f"veilbench init takes one argument, FOLDER, and not: {' '.join(arguments) or 'none'}")
    folder = Path(arguments[0])
    if folder.exists():
        raise UserError(f"{folder} exists: name a new folder")
    package = name_package(folder)
    with write_whole_folder(folder) as partial:
        write_bench(partial, package)
    start_versioning(folder)
    _run(folder, "veilbench", "resolve")
    print(f"{folder} is a bench. Next:\n\n    cd {folder}\n    veilbench run experiment=gabor\n    dvc repro\n")


def name_package(folder: Path) -> str:
    """Return the name of the bench's package, which is that of its folder.

    Raises:
        UserError: it is not a valid name, or an installed package has it.
    """
    name = folder.resolve().name
    if not name.isidentifier() or not name.islower():
        raise UserError(f"{folder} is not allowed: the folder's name is the name of a package, such as my_bench")
    if find_spec(name) is not None:
        raise UserError(f"{folder} is not allowed: a package {name} is installed")
    return name


def write_bench(folder: Path, package: str) -> None:
    """Copy the template into an existing, empty folder.

    Args:
        folder: folder to write into.
        package: name of the package of the bench's own code.
    """
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(f'"""The code of the bench {package}."""\n', encoding="utf8")
    (folder / CODE).rename(folder / package / CODE)
    for name, final in RENAMED.items():
        (folder / name).rename(folder / final)
    for name in ("README.md", "conf/model/gabor.yaml"):
        text = (folder / name).read_text(encoding="utf8")
        (folder / name).write_text(text.replace("{package}", package), encoding="utf8")


def start_versioning(folder: Path) -> None:
    """Set up DVC, with git if it is installed; within a repository, as a part of it."""
    if shutil.which("git") is None:
        _run(folder, "dvc", "init", "-q", "--no-scm")
    elif _is_within_repository(folder):
        _run(folder, "dvc", "init", "-q", "--subdir")
    else:
        _run(folder, "git", "init", "-q")
        _run(folder, "dvc", "init", "-q")
    _run(folder, "dvc", "config", "core.analytics", "false")


def _is_within_repository(folder: Path) -> bool:
    asked = ["git", "rev-parse", "--is-inside-work-tree"]
    return subprocess.run(asked, cwd=folder, capture_output=True, check=False).returncode == 0


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise UserError(f"`{' '.join(command)}` failed in {folder}: {said}")


def _environment() -> dict[str, str]:
    """Return an environment in which the programs of this Python come first."""
    programs = str(Path(sys.executable).parent)
    return os.environ | {"PATH": os.pathsep.join([programs, os.environ.get("PATH", "")])}
