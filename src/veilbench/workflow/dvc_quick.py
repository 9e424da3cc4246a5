"""Runs DVC with faster ways to read dvc.yaml and dvc.lock, and to rewrite dvc.lock: `python -P dvc_quick.py repro ...`.

DVC parses both files again for each target on its command line. After each stage it parses dvc.lock once more, to keep
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


LockDumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))


class ParsedFiles:
    """Remembers what the last content of each file was parsed to. Content is compared, since times may be coarse."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, bytes]] = {}

    def recall(self, path: str, parse: Callable[[bytes], Any]) -> Any:
        """Return a new copy of what a file was parsed to, or parse it if its content has changed.

        Args:
            path: path of the file; one that does not exist has no content.
            parse: function of the content that returns what it is parsed to.
        """
        content = _read(path)
        known = self._known.get(path)
        if known and known[0] == content:
            return pickle.loads(known[1])
        parsed = parse(content)
        if _read(path) == content:  # no other process has replaced it in the meantime
            self.keep(path, content, parsed)
        return parsed

    def keep(self, path: str, content: bytes, parsed: Any) -> None:
        """Remember what a content is parsed to."""
        self._known[path] = content, pickle.dumps(parsed)


def _read(path: str) -> bytes:
    return Path(path).read_bytes() if Path(path).is_file() else b""


LOCKS, LOADED = ParsedFiles(), ParsedFiles()  # dvc.lock by libyaml, and what DVC loads and validates itself


@contextmanager
def modify_lock(path: str, fs: object = None) -> Iterator[dict[str, Any]]:
    """Yield the content of a YAML file, and write what the block has made of it.

    Args:
        path: path of the file, which need not exist yet.
        fs: DVC's file system; a local one.
    """
    found: dict[str, Any] = LOCKS.recall(path, lambda content: yaml.load(content, Loader=LOADER) or {})
    yield found
    plain = json.loads(json.dumps(found))  # DVC's own kinds of dict
    text = yaml.dump(plain, Dumper=LockDumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1e9)
    with write_whole_file(Path(path)) as partial:
        partial.write_text(text, encoding="utf8")
    LOCKS.keep(path, text.encode(), plain)


def remember_parsed(load: Callable[..., Any]) -> Callable[..., Any]:
    """Return DVC's function that loads a YAML file and validates it, which does so again only if the file has changed.

    Args:
        load: the function to wrap, `dvc.utils.strictyaml.load`.
    """

    def load_once(path: str, schema: Any = None, fs: Any = None, **settings: Any) -> Any:
        if settings or schema is None or getattr(fs, "protocol", "local") != "local":
            return load(path, schema, fs, **settings)
        return LOADED.recall(path, lambda _: load(path, schema, fs))

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
