"""From Hydra's groups to plain, checked configurations. `DictConfig` ends here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from veilbench.bench import stages
from veilbench.bench.compatibility import check_parts
from veilbench.bench.defaults import fill, give_seed
from veilbench.bench.errors import UserError, list_known, suggest
from veilbench.bench.experiment import MADE_BEFORE, SETTINGS, Config, build, check
from veilbench.bench.limits import Seed, require_value
from veilbench.bench.named_files import digest_named_files
from veilbench.bench.sources import digest
from veilbench.bench.yaml_file import read_yaml
from veilbench.workflow.conf import choices, conf_folders, is_group
from veilbench.workflow.explain import one_line_hydra_errors, parse

PARTS = ("data", "model", "training", "trainer", "tracking")  # one class each
LISTS = ("evaluation", "attack")  # any number of classes, by their names
KEYS = ("seed", "objective", *PARTS, *LISTS)
OPTIONAL = ("aggregation", "sweep")  # groups that may be null


def composed(overrides: list[str], mode: RunMode = RunMode.RUN) -> DictConfig:
    """Compose `conf/config.yaml` with overrides.

    Args:
        overrides: in Hydra's grammar.
        mode: MULTIRUN for what the jobs of a sweep have in common: mandatory choices may be missing then.

    Raises:
        UserError: a file of conf/ is damaged, or a group, a name or a value is wrong.
    """
    parsed = parse(overrides)
    for override in parsed:
        _check_choice(override)
    check_files()
    try:
        with one_line_hydra_errors(overrides):
            return _compose(adding(parsed), mode)
    except UserError as error:
        if isinstance(error.__cause__, ConfigCompositionException) and (unknown := _unknown_key(parsed)):
            raise UserError(unknown) from error
        raise


def adding(overrides: Sequence[Override]) -> list[str]:
    """Return overrides that may also set an argument that no file of conf/ states, as `++key=value`.

    Hydra refuses a key that no file names. Here every argument of a constructor has a default and can be overridden;
    whether there is such an argument is checked once the configuration is composed, by `plain`.
    """
    return [
        f"++{override.input_line}" if _sets_argument(override) else str(override.input_line) for override in overrides
    ]


def _sets_argument(override: Override) -> bool:
    top, _, below = str(override.key_or_group).partition(".")
    plain_change = not (override.is_add() or override.is_force_add() or override.is_delete())
    return plain_change and bool(below) and top in (*PARTS, *LISTS)


def _compose(overrides: list[str], mode: RunMode = RunMode.RUN) -> DictConfig:
    GlobalHydra.instance().clear()
    version.setbase("1.3")
    hydra = Hydra.create_main_hydra2("veilbench", search_path())
    try:
        config: DictConfig = hydra.compose_config("config", overrides, run_mode=mode, from_shell=False)
    except LookupError as error:  # of `hydra.job.env_copy`
        raise UserError(f"{' '.join(overrides)}: Hydra finds no {error} in the environment") from error
    except AssertionError as error:
        wrong = "an entry of a defaults list is neither a name nor a group with names"
        raise UserError(f"{' '.join(overrides)}: {wrong}") from error
    finally:
        GlobalHydra.instance().clear()
    return config


def search_path() -> ConfigSearchPath:
    """Return Hydra's search path: Hydra's own configuration, then the folders of all homes."""
    path: ConfigSearchPath = create_config_search_path(None)
    for folder in conf_folders():
        path.prepend("veilbench", f"file://{folder}", anchor="schema")
    return path


def check_files() -> None:
    """Check files of conf/ whose aliases could make Hydra compose without end.

    Raises:
        UserError: one is damaged, contains itself or grows without bounds.
    """
    for path in (path for folder in conf_folders() for path in folder.rglob("*.yaml")):
        content = path.read_bytes()
        if (b"*" in content and b"&" in content) or not content.isascii():
            read_yaml(path)


def _check_choice(override: Override) -> None:
    """Refuse what is no name of a choice where an override chooses one.

    Raises:
        UserError: the value is not a name, or a list of names.
    """
    group, value = str(override.key_or_group), override.value()
    if override.is_delete() or not is_group(group):
        return
    names = value if isinstance(value, list) else [value]
    if override.is_sweep_override() or (value is None and group in OPTIONAL):
        return
    if not all(isinstance(name, str) for name in names) or (isinstance(value, list) and group not in LISTS):
        allowed = "a list of names" if group in LISTS else "one name"
        raise UserError(f"{override.input_line} is not allowed: {group} takes {allowed}: {', '.join(choices(group))}")


def _unknown_key(parsed: list[Override]) -> str | None:
    """What to say if an override changes a key that the rest of the configuration does not have."""
    for wrong in parsed:
        key = str(wrong.key_or_group)
        if wrong.is_add() or is_group(key):
            continue
        try:
            rest = _compose(adding([override for override in parsed if override is not wrong]))
        except Exception:  # something else is wrong as well, and was said
            continue
        node: Any = rest
        above = ""
        for name in key.split("."):
            if not isinstance(node, DictConfig):
                return f"{wrong.input_line}: there is no key {key}: {above.rstrip('.')} has a value and no keys"
            if name not in node:
                known = [str(other) for other in node if other != "hydra"]
                return f"{wrong.input_line}: there is no key {above}{name}{list_known(name, known, above)}"
            node, above = node._get_node(name), f"{above}{name}."
    return None


def read_overrides(hydra: DictConfig) -> list[str]:
    """Return a job's overrides as they were given, in which `${seed}` is not yet a number.

    Args:
        hydra: Hydra's own settings, those of `HydraConfig.get()`.
    """
    return cast(list[str], OmegaConf.to_container(hydra.overrides.task, resolve=False))


def plain(
    config: DictConfig, choices: Mapping[str, Any] | None = None, overrides: Sequence[str] | None = None
) -> Config:
    """A composed config as plain types, checked, with a digest of what each stage depends on.

    Raises:
        UserError: a key, a type or a value is not allowed, or a mandatory choice is missing.
    """
    choices = config.hydra.runtime.choices if choices is None else choices
    overrides = read_overrides(config.hydra) if overrides is None else overrides
    names = {key: choices.get(key) for key in ("experiment", "data", "model", "training")}
    with one_line_hydra_errors():
        content: dict[str, Any] = {
            key: OmegaConf.to_container(config[key], resolve=True, throw_on_missing=True)
            if OmegaConf.is_config(config[key])
            else config[key]
            for key in KEYS
            if key in config
        }
    if unknown := sorted(set(config) - set(KEYS) - {"hydra"}, key=str):
        raise UserError(
            f"unknown key {unknown[0]}={config[unknown[0]]}; allowed: {', '.join(KEYS)}{suggest(unknown[0], KEYS)}"
        )
    check_top(content, overrides)
    content = fill(give_seed(content, content["seed"]))
    check(content)
    check_parts({key: build(content[key]) for key in (*PARTS, *LISTS)}, _named_places(overrides))
    return {"names": names, **content, "digests": {stage: stage_digest(stage, content) for stage in SETTINGS}}


def _named_places(overrides: Sequence[str]) -> set[str]:
    """Return the evaluations and attacks that overrides name, such as "attack.affine"."""
    chosen = [override for override in parse(list(overrides)) if override.key_or_group in LISTS]
    values = [(override.key_or_group, override.value()) for override in chosen]
    return {f"{group}.{name}" for group, names in values for name in (names if isinstance(names, list) else [names])}


def plain_data(name: str, seed: int | None = None) -> Config:
    """One data set on its own, as the stage `prepare` takes it.

    Args:
        name: name of a file of conf/data.
        seed: seed of the experiment that uses it; None for that of conf/config.yaml.

    Raises:
        UserError: there is no such data set, or a value is not allowed.
    """
    config = composed([f"data={name}", "model=plaintext"])
    with one_line_hydra_errors():
        data = {"data": OmegaConf.to_container(config.data, resolve=True, throw_on_missing=True)}
    data = fill(give_seed(data, config.seed if seed is None else seed))
    check(data)
    build(data)
    return {**data, "digests": {"prepare": stage_digest("prepare", data)}}


def check_top(content: Config, overrides: Sequence[str]) -> None:
    """Check what no constructor sees; drop what an experiment sets up and the user has not chosen.

    Raises:
        UserError: the seed is not a natural number, a part is missing, or an evaluation or attack is set up that does
            not exist, or that the user has not chosen.
    """
    for group in LISTS:  # an empty list of choices leaves no key
        content[group] = content.get(group) or {}
    for key in KEYS:
        if key not in content:
            raise UserError(f"the configuration has no {key}: do not delete it")
    objective = content["objective"]
    try:
        require_value(Seed, content["seed"], "seed")
    except ValueError as error:
        raise UserError(str(error)) from error
    if objective is not None and not isinstance(objective, str):
        raise UserError(f"objective={objective!r} is not allowed: input should be the name of a metric, or null")
    for key in PARTS:
        if not isinstance(content[key], dict) or "_target_" not in content[key]:
            raise UserError(f"{key}={content[key]} is not allowed: choose one of {', '.join(choices(key))}")
    for group in LISTS:
        if not isinstance(content[group], dict):
            raise UserError(f"{group}={content[group]} is not allowed: choose a list of {', '.join(choices(group))}")
        for name, node in list(content[group].items()):
            if not (isinstance(node, dict) and "_target_" in node):
                _check_not_chosen(group, name, node, overrides)
                del content[group][name]


def _check_not_chosen(group: str, name: str, node: Any, overrides: Sequence[str]) -> None:
    """Allow settings of an evaluation or attack that was not chosen, since experiments set up what others drop.

    Raises:
        UserError: there is none of that name, or the user's own override sets it up.
    """
    if name not in (known := choices(group)):
        raise UserError(f"{group}.{name}={node}: there is no {group} {name}{list_known(str(name), known)}")
    if not isinstance(node, dict):
        raise UserError(f"{group}.{name}={node} is not allowed: settings of {name} are keys with values")
    own = (f"{group}.{name}.", f"{group}.{name}=")  # and not those of a longer name
    if any(override.lstrip("+").startswith(own) for override in overrides):
        raise UserError(f"{group}.{name}={node} sets up what is not chosen; choose it with {group}=[{name},...]")


def stage_digest(stage: str, content: Config) -> str:
    """16 hexadecimal digits for a stage's settings, the code behind it and the files named: what DVC compares.

    One digest in place of the settings themselves, which DVC would copy into dvc.lock and write again, in pure Python,
    at the end of every stage. `dvc params diff` reads the settings where they stand.
    """
    settings = {key: content[key] for key in SETTINGS[stage]}
    reached = {key: content[key] for key in (*SETTINGS[stage], *MADE_BEFORE[stage])}
    code = digest(Path(stages.__file__), reached)
    files = digest_named_files(settings)
    parts = [settings, code, files] if files else [settings, code]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
