"""From Hydra's groups to plain, checked configurations. `DictConfig` ends here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from veilbench.errors import UserError
from veilbench.experiment import MADE_BEFORE, SETTINGS, Config, build, check
from veilbench.limits import Seed, require_value
from veilbench.sources import digest

CONF = Path(__file__).parent.parent / "conf"
KEYS = ("seed", "objective", "data", "model", "training", "trainer", "evaluation", "attack", "tracking")


def cause(error: BaseException) -> str:
    """The innermost reason of an error: Hydra's "Error merging override" hides it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{error}".strip() or type(error).__name__


def composed(overrides: list[str]) -> DictConfig:
    """Compose `conf/config.yaml` with overrides.

    Raises:
        UserError: a group, a name or a value is wrong.
    """
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
            config: DictConfig = compose("config", overrides, return_hydra_config=True)
            return config
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{' '.join(overrides)}: {explain(error)}") from error


def explain(error: BaseException) -> str:
    """One line for an error of Hydra's: what it says, and why."""
    said, why = f"{error}".strip(), cause(error)
    return said if why in said else f"{said}: {why}"


@contextmanager
def hydra_errors() -> Iterator[None]:
    """Hydra's and OmegaConf's errors, and folders that cannot be written, as the user's: their cause in one line."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error)) from error
    except OSError as error:
        raise UserError(f"cannot use {error.filename}: {error.strerror}") from error


def plain(
    config: DictConfig, choices: Mapping[str, Any] | None = None, overrides: Sequence[str] | None = None
) -> Config:
    """A composed config as plain types, checked, with a digest of what each stage depends on.

    Raises:
        UserError: a key, a type or a value is not allowed, or a mandatory choice is missing.
    """
    choices = config.hydra.runtime.choices if choices is None else choices
    overrides = config.hydra.overrides.task if overrides is None else overrides
    names = {key: choices.get(key) for key in ("experiment", "data", "model", "training")}
    with hydra_errors():
        content: dict[str, Any] = {
            key: OmegaConf.to_container(config[key], resolve=True, throw_on_missing=True)
            if OmegaConf.is_config(config[key])
            else config[key]
            for key in KEYS
            if key in config
        }
    if unknown := sorted(set(config) - set(KEYS) - {"hydra"}):
        raise UserError(f"unknown key {unknown[0]}={config[unknown[0]]}; allowed: {', '.join(KEYS)}")
    check_top(content, overrides)
    check(content)
    for key in ("data", "model", "training", "trainer", "evaluation", "attack", "tracking"):
        content.setdefault(key, {})
        build(content[key])
    return {"names": names, **content, "digests": {stage: stage_digest(stage, content) for stage in SETTINGS}}


def check_top(content: Config, overrides: Sequence[str]) -> None:
    """Check what no constructor sees; drop what an experiment sets up and the user has not chosen.

    Raises:
        UserError: the seed is negative, too large or no whole number, or the user sets up an attack or evaluation that
            is not chosen.
    """
    seed = content["seed"]
    try:
        require_value(Seed, seed, "seed")
    except ValueError as error:
        raise UserError(str(error)) from error
    for group in ("evaluation", "attack"):
        for name, node in list((content.get(group) or {}).items()):
            if isinstance(node, dict) and "_target_" in node:
                continue
            del content[group][name]
            own = (f"{group}.{name}.", f"{group}.{name}=")  # and not those of a longer name
            if any(override.lstrip("+").startswith(own) for override in overrides):
                raise UserError(
                    f"{group}.{name}={node} sets up what is not chosen; choose it with {group}=[{name},...]"
                )


def stage_digest(stage: str, content: Config) -> str:
    """16 hexadecimal digits for a stage's settings and the code behind it: what DVC compares.

    One digest in place of the settings themselves, which DVC would copy into dvc.lock and write again, in pure Python,
    at the end of every stage. `dvc params diff` reads the settings where they stand.
    """
    settings = {key: content[key] for key in SETTINGS[stage]}
    reached = {key: content[key] for key in (*SETTINGS[stage], *MADE_BEFORE[stage])}
    code = digest(Path(__file__).parent / f"{stage}.py", reached)
    return hashlib.sha256(json.dumps([settings, code], sort_keys=True).encode()).hexdigest()[:16]
