"""Hydra's parser of the command line, on every supported Python."""

from __future__ import annotations

from argparse import ArgumentParser

from hydra._internal.utils import get_args_parser

CHECK = "_check_help"  # of Python 3.14 and later


def build_parser() -> ArgumentParser:
    """Build Hydra's parser.

    Python 3.14 checks the help text of each option that is added, and refuses the one that Hydra 1.3 makes only when it
    is shown. So the check is skipped here; Hydra 1.4 needs no such help.
    """
    check = getattr(ArgumentParser, CHECK, None)
    if check:
        setattr(ArgumentParser, CHECK, lambda *_: None)
    try:
        parser: ArgumentParser = get_args_parser()
    finally:
        if check:
            setattr(ArgumentParser, CHECK, check)
    return parser
