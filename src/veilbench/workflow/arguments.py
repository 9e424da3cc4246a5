"""Checks every job of a sweep before Hydra begins, so that a mistake leaves no folder behind and costs no time.

It also keeps Hydra from calling what a configuration names: callbacks, launchers and loggers of other packages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.types import Glob, Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config
from veilbench.bench.masking import LOGIN, mask_secrets
from veilbench.bench.tracking.address import REMEDY
from veilbench.workflow.compose import adding, composed, plain
from veilbench.workflow.explain import one_line_hydra_errors, parse
from veilbench.workflow.hydra_parser import build_parser

SEARCH_PATH = "hydra.searchpath"
MOST_JOBS = 10_000
CHECKED = 100  # jobs that are composed one by one; of more, about as many, spread over all values
TRUSTED = ("hydra.", "hydra_plugins.")
OWN_LAUNCHERS = ("veilbench.workflow.cells.on_ray.OnRay", "veilbench.workflow.cells.on_slurm.OnSlurm")
CALLBACKS = {"before": {"_target_": "veilbench.workflow.hydra_folders.Before"}}  # those of conf/config.yaml
LOGGERS = ("logging.", "colorlog.")
STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
INFORMS = ("help", "hydra_help", "info", "cfg", "shell_completion")


def check_arguments(arguments: Sequence[str], resolved: dict[tuple[str, ...], Config] | None = None) -> list[str]:
    """Check the command line of `sweep.py`.

    Args:
        arguments: without the program's name.
        resolved: takes the experiments of the jobs that are checked, by their overrides; None keeps none.

    Returns:
        The command line for Hydra: overrides of arguments that no file of conf/ states are `++key=value` (see
        `compose.adding`), and what a file of conf/sweep sweeps over stands among them.

    Raises:
        UserError: an option or an override is wrong, in any job, or there is no job at all.
    """
    _refuse_passwords(arguments)
    parser = build_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    options = parser.parse_args(arguments)
    if given := [name for name in ("config_path", "config_name", "config_dir") if getattr(options, name)]:
        raise UserError(f"--{given[0].replace('_', '-')} is not allowed: experiments are read from conf/")
    if options.experimental_rerun:
        raise UserError("--experimental-rerun is not allowed: give the same overrides again")
    if options.resolve and not (options.cfg or options.help):
        raise UserError("--resolve is only allowed with --cfg or --help")
    overrides = parse(options.overrides)
    _check_search_path(overrides)
    informs = any(getattr(options, name) for name in INFORMS)
    if informs:
        overrides = parse(next(jobs(overrides)))  # Hydra shows the settings of one job
    single = [str(override.input_line) for override in overrides if not override.is_sweep_override()]
    master = composed(single, RunMode.MULTIRUN) if options.multirun or informs else composed(options.overrides)
    check_hydra(master)
    rest = [word for word in arguments if word not in options.overrides]
    if informs:
        return [*rest, *adding(overrides)]
    if not options.multirun:
        _refuse_sweep_mode(master)
        plain(master)
        return [*rest, *adding(overrides)]
    swept = _swept_by_files(overrides, master)
    overrides = [*overrides, *swept]
    for job in jobs(overrides):
        config = resolve_job(job)
        if resolved is not None:
            resolved[tuple(adding(parse(job)))] = config  # as `list_jobs` has it
    return [*rest, *adding(overrides), *(["hydra.sweeper.params=null"] if swept else [])]


def resolve_job(job: list[str]) -> Config:
    """Compose and check one job of a sweep.

    Args:
        job: its overrides.

    Raises:
        UserError: an override is wrong.
    """
    config = composed(job)
    check_hydra(config)
    return plain(config)


def list_jobs(overrides: Sequence[str]) -> list[list[str]]:
    """Return all jobs of a sweep, each as its overrides.

    Args:
        overrides: as `check_arguments` returns them, without options.
    """
    named = {override.get_key_element(): override for override in parse(list(overrides))}
    return [list(job) for job in product(*(_values(key, override) for key, override in named.items()))]


def _refuse(message: str) -> NoReturn:
    raise UserError(message)


def _refuse_sweep_mode(master: DictConfig) -> None:
    """Refuse a setting by which Hydra would run several jobs into one folder.

    Raises:
        UserError: `hydra.mode` asks for a sweep.
    """
    if master.hydra.mode == RunMode.MULTIRUN:
        raise UserError("hydra.mode=MULTIRUN is not allowed: `veilbench sweep`, or the option -m, runs a sweep")


def _refuse_passwords(overrides: Sequence[str]) -> None:
    """Refuse a password in an address: Hydra prints overrides, and writes them into the job's folder.

    Raises:
        UserError: there is one. The text does not show it.
    """
    for override in overrides:
        if (login := LOGIN.search(override)) and login[2]:
            raise UserError(f"{mask_secrets(override)} holds a password, and overrides are written to disk; {REMEDY}")


def _check_search_path(overrides: Sequence[Override]) -> None:
    """Refuse folders of configurations that are not there, and packages, which composing would import.

    Only a command line can name them: Hydra refuses `hydra.searchpath` in a file of a group.

    Raises:
        UserError: an entry is a package, or no folder.
    """
    for override in overrides:
        if not _is_search_path(override):
            continue
        entries = override.value()
        for entry in entries if isinstance(entries, list) else [entries]:
            if "pkg:" in str(entry):
                raise UserError(f"{override.input_line} is not allowed: a package would be imported")
            if entry is not None and not Path(str(entry).removeprefix("file://")).is_dir():
                raise UserError(f"{override.input_line} is not allowed: there is no folder {entry}")


def _is_search_path(override: Override) -> bool:
    return override.get_key_element().lstrip("+~") == SEARCH_PATH and not override.is_delete()


def _swept_by_files(overrides: Sequence[Override], master: DictConfig) -> list[Override]:
    """Return what files of conf/sweep sweep over, as overrides; the command line's own go before.

    Args:
        overrides: of the command line.
        master: the configuration without what is swept over.
    """
    with one_line_hydra_errors():
        params = OmegaConf.to_container(master.hydra.sweeper.get("params") or OmegaConf.create({}), resolve=True)
    assert isinstance(params, dict)
    own = {override.get_key_element() for override in overrides}
    swept = parse([f"{key!s}={value}" for key, value in params.items()])
    return [override for override in swept if override.get_key_element() not in own]


def jobs(overrides: Sequence[Override]) -> Iterator[list[str]]:
    """The jobs of a sweep, each as its overrides; of very many, some that are spread over all values.

    Raises:
        UserError: there are none, or too many.
    """
    named = {override.get_key_element(): override for override in overrides}
    values = {key: _values(key, override) for key, override in named.items()}
    count = prod(len(each) for each in values.values())
    if not count:
        empty = next(override.input_line for key, override in named.items() if not values[key])
        raise UserError(f"{empty} gives no job: it has no values")
    if count > MOST_JOBS:
        raise UserError(f"this sweep has more than {MOST_JOBS} jobs; split it")
    if count <= CHECKED:
        yield from (list(job) for job in product(*values.values()))
        return
    longest = max(len(each) for each in values.values())
    for index in sorted({round(step * (longest - 1) / CHECKED) for step in range(CHECKED + 1)}):
        yield [each[index % len(each)] for each in values.values()]


def _values(key: str, override: Override) -> list[str]:
    """The overrides that one override stands for, at most one more than a sweep may have jobs."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    if not override.is_discrete_sweep():
        raise UserError(f"{override.input_line} is not allowed: a sweep is over listed values or a range")
    if isinstance(override.value(), Glob):
        raise UserError(f"{override.input_line} is not allowed: list the names, with commas between them")
    with one_line_hydra_errors([str(override.input_line)]):
        return [f"{key}={value}" for value in islice(override.sweep_string_iterator(), MOST_JOBS + 1)]


def check_hydra(config: DictConfig) -> None:
    """Refuse settings by which Hydra would import or call what is not its own.

    Raises:
        UserError: a setting below `hydra` names another package.
    """
    with one_line_hydra_errors():
        node = OmegaConf.to_container(config.hydra, resolve=False)
    assert isinstance(node, dict)
    if (callbacks := node.pop("callbacks", None)) != CALLBACKS:
        raise UserError(
            f"hydra.callbacks={callbacks} is not allowed: they are those of conf/config.yaml, and no others"
        )
    for place, key, value in _leaves(node, "hydra"):
        if f"{place}={value}" in {f"hydra.launcher._target_={own}" for own in OWN_LAUNCHERS}:
            continue
        trusted = {"_target_": TRUSTED, "class": LOGGERS, "()": ()}.get(key)
        if trusted is not None and not str(value).startswith(trusted):
            raise UserError(f"{place}={value} is not allowed: it would be imported, and is not Hydra's own")
        if str(value).startswith("ext://") and value not in STREAMS:
            raise UserError(f"{place}={value} is not allowed: it would be imported; allowed: {', '.join(STREAMS)}")


def _leaves(node: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """Each plain value below a node, with its place and its key."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in pairs:
        if isinstance(child, dict | list):
            yield from _leaves(child, f"{place}.{key}")
        else:
            yield f"{place}.{key}", str(key), child
