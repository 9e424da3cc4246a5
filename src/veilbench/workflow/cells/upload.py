"""Copies what a machine without a checkout needs for cells: the package, the bench, and the files of settings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from veilbench.bench.experiment import Config
from veilbench.bench.homes import BENCH, PACKAGE, list_homes
from veilbench.bench.named_files import find_named_files

NOT_COPIED = shutil.ignore_patterns("__pycache__", ".*")


def copy_package(folder: Path) -> Path:
    """Copy veilbench with its configuration, laid out as in an installed wheel; returns the copy."""
    copy = folder / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=NOT_COPIED)
    own = list_homes()[-1].conf
    if own and not own.is_relative_to(PACKAGE):
        shutil.copytree(own, copy / "conf", ignore=NOT_COPIED)
    return copy


def copy_bench(configs: Sequence[Config], folder: Path) -> bool:
    """Copy the current bench's code and configuration, and the files that settings name by a relative path.

    Args:
        configs: resolved experiments.
        folder: the folder to copy to, which is created; paths relative to it are those relative to the current folder.

    Returns:
        Whether there was anything to copy.
    """
    here = Path.cwd()
    benches = [home for home in list_homes() if home.name == BENCH and home.conf]
    places = [path for home in benches for path in (home.conf, *home.code.values()) if path]
    named = [path for config in configs for path in find_named_files(config) if not path.is_absolute()]
    for path in dict.fromkeys([*(place.relative_to(here) for place in places), *named]):
        if ".." not in path.parts:
            _copy(here / path, folder / path)
    return folder.is_dir()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=NOT_COPIED, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
