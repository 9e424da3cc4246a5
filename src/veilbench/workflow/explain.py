"""Translates the errors of Hydra, OmegaConf and PyYAML about a configuration to one line each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from veilbench.bench import yaml_file
from veilbench.bench.errors import UserError, list_known
from veilbench.workflow.conf import choices

COMPOSING = (  # exceptions of Hydra and its libraries on bad input
    HydraException,
    OmegaConfBaseException,
    yaml.YAMLError,
    RecursionError,
    ValueError,
    TypeError,
    AttributeError,
)
GRAMMAR = "Hydra's overrides are key=value, +key=value to add a key, ~key to delete one"


def parse(overrides: list[str]) -> list[Override]:
    """Parse overrides one by one, so that an error names the wrong one.

    Raises:
        UserError: an override does not follow Hydra's grammar, or has no key.
    """
    parser = OverridesParser.create()
    parsed = []
    for override in overrides:
        try:
            parsed.append(parser.parse_override(override))
        except Exception as error:  # the grammar's parser raises errors of its own, and RecursionError
            said = (
                f"{error}".splitlines()[0] if isinstance(error, HydraException) and f"{error}" else "it ends too soon"
            )
            raise UserError(f"the override {override!r} cannot be read: {said}; {GRAMMAR}") from error
        if not parsed[-1].key_or_group:
            raise UserError(f"the override {override!r} has no key; {GRAMMAR}")
    return parsed


@contextmanager
def one_line_hydra_errors(
    overrides: list[str] | None = None, errors: tuple[type[Exception], ...] = COMPOSING
) -> Iterator[None]:
    """Convert errors that Hydra raises within the block to one-line errors.

    Args:
        overrides: overrides of the command line, shown at the start of the message.
        errors: exception classes to convert; pass fewer if the block also runs code of veilbench.

    Raises:
        UserError: a configuration or an override is wrong, or a folder cannot be written.
    """
    try:
        yield
    except UserError:
        raise
    except MissingConfigException as error:
        raise UserError(explain(error)) from error
    except errors as error:
        raise UserError(f"{' '.join(overrides or [])}: {explain(error)}".removeprefix(": ")) from error
    except OSError as error:
        raise UserError(f"cannot use {error.filename}: {error.strerror}") from error


def explain(error: BaseException) -> str:
    """Explain an error in one line.

    Args:
        error: an exception raised by Hydra, OmegaConf or PyYAML.
    """
    cause = _innermost(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing(error)
    if isinstance(cause, yaml.YAMLError):
        mark = getattr(cause, "problem_mark", None) or getattr(cause, "context_mark", None)
        return f"{mark.name if mark else 'a file of conf/'}{yaml_file.explain(cause)}"
    if isinstance(cause, RecursionError):
        return "a value is nested too deeply, or refers to itself"
    if lacking := re.match(r"You must specify '(.+?)'", f"{error}"):
        return f"no {lacking[1]} is chosen; {lacking[1]}=NAME takes one of {', '.join(choices(lacking[1]))}"
    said, why = " ".join(f"{error}".split()), " ".join(f"{cause}".split())
    return said if why in said else f"{said}: {why}"


def _innermost(error: BaseException) -> BaseException:
    """Return the original cause, which Hydra wraps in messages such as "Error merging override"."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def _missing(error: MissingConfigException) -> str:
    """Explain that a choice does not exist, and list the existing ones."""
    group, _, name = str(error.missing_cfg_file).removesuffix(".yaml").rpartition("/")
    inside = re.match(r"In '(.+?)':", f"{error}")
    place = f"in conf/{inside[1]}.yaml: " if inside and inside[1] != "config" else ""
    known = sorted(error.options or []) or choices(group)
    return f"{place}there is no {group}={name}{list_known(name, known)}"
