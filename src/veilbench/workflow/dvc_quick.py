"""Runs DVC with faster ways to read dvc.yaml and dvc.lock, and to rewrite dvc.lock: `python -P dvc_quick.py repro ...`.

DVC parses both files again for each stage that it is asked for. After each stage it parses dvc.lock once more, to keep
comments that it does not have, and writes it, both in pure Python. With all experiments of the pipeline this takes
longer than many of their stages. Here a file is parsed again only if it has changed, and libyaml writes dvc.lock, which
is replaced as a whole, so that a kill leaves the old one or the new one.
"""

from __future__ import annotations

import json
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from veilbench.bench.beside import write_whole_file

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")


class LockDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes texts that are numbers in YAML 1.2, as which DVC reads the file: "12e4" is one there, and not in 1.1."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal lists twice, as DVC does."""
        return True


class ParsedFiles:
    """Remembers what files were parsed to, until they change."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], bytes]] = {}

    def recall(self, path: str, parse: Callable[[], Any]) -> Any:
        """Return a new copy of what a file was parsed to, or parse it.

        Args:
            path: path of the file.
            parse: function that reads and parses it.
        """
        state = _state_of(Path(path))
        known = self._known.get(path)
        if known and known[0] == state:
            return pickle.loads(known[1])
        parsed = parse()
        self._keep(path, state, parsed)
        return parsed

    def keep(self, path: str, written: Path, parsed: Any) -> None:
        """Remember what a file will be parsed to, when `written`, which then takes its place, is complete."""
        self._keep(path, _state_of(written), parsed)

    def _keep(self, path: str, state: tuple[int, ...] | None, parsed: Any) -> None:
        if state:
            self._known[path] = state, pickle.dumps(parsed)


def _state_of(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever a file is replaced or written to; None without a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


LOCKS, PIPELINES = ParsedFiles(), ParsedFiles()
LockDumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))


@contextmanager
def modify_lock(path: str, fs: object = None) -> Iterator[dict[str, Any]]:
    """Yield the content of a YAML file, and write what the block has made of it.

    Args:
        path: path of the file, which need not exist yet.
        fs: DVC's file system; a local one.
    """
    file = Path(path)
    found: dict[str, Any] = LOCKS.recall(path, lambda: _parse(file))
    yield found
    plain = json.loads(json.dumps(found))  # DVC's own kinds of dict
    text = yaml.dump(plain, Dumper=LockDumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1e9)
    with write_whole_file(file) as partial:
        partial.write_text(text, encoding="utf8")
        LOCKS.keep(path, partial, plain)


def _parse(file: Path) -> dict[str, Any]:
    return (yaml.load(file.read_bytes(), Loader=LOADER) if file.is_file() else None) or {}


def remember_parsed(load: Callable[..., Any]) -> Callable[..., Any]:
    """Return DVC's function that loads a YAML file and validates it, which does so again only if the file has changed.

    Args:
        load: `dvc.utils.strictyaml.load`.
    """

    def load_once(path: str, schema: Any = None, fs: Any = None, **settings: Any) -> Any:
        if settings or schema is None or getattr(fs, "protocol", "local") != "local":
            return load(path, schema, fs, **settings)
        return PIPELINES.recall(path, lambda: load(path, schema, fs))

    return load_once


def main() -> int:
    """Run DVC with the arguments of the process, and return its exit code."""
    from dvc import dvcfile
    from dvc.cli import main as run
    from dvc.utils import strictyaml

    strictyaml.load = remember_parsed(strictyaml.load)
    if hasattr(dvcfile, "modify_yaml"):
        dvcfile.modify_yaml = modify_lock
    return int(run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
