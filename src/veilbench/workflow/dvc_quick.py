"""Runs DVC with a faster way to rewrite dvc.lock: `python -P dvc_quick.py repro ...`.

After each stage DVC parses dvc.lock, to keep comments that it does not have, and writes it again, both in pure Python.
With all experiments of the pipeline this takes longer than many of their stages. Here libyaml does both, and the file
is replaced as a whole, so that a kill leaves the old one or the new one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
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


@contextmanager
def modify_lock(path: str, fs: object = None) -> Iterator[dict[str, Any]]:
    """Yield the content of a YAML file, and write what the block has made of it.

    Args:
        path: path of the file, which need not exist yet.
        fs: DVC's file system; a local one.
    """
    file = Path(path)
    content = yaml.load(file.read_bytes(), Loader=LOADER) if file.is_file() else None
    found: dict[str, Any] = content or {}
    yield found
    plain = json.loads(json.dumps(found))  # DVC's own kinds of dict
    text = yaml.dump(plain, Dumper=LockDumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1e9)
    with write_whole_file(file) as partial:
        partial.write_text(text, encoding="utf8")


def main() -> int:
    """Run DVC with the arguments of the process, and return its exit code."""
    from dvc import dvcfile
    from dvc.cli import main as run

    if hasattr(dvcfile, "modify_yaml"):
        dvcfile.modify_yaml = modify_lock
    return int(run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
