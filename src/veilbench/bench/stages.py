"""Run the stages of one experiment. Each reads files and writes one folder, completely or not at all.

`prepared/<data>` holds prepared data; `results/<experiment>/<stage>` holds a stage's record.
"""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from veilbench.bench.accelerator import show_progress_of
from veilbench.bench.attack import Attack
from veilbench.bench.compatibility import check_trained, explain_inapplicable, find_obstacle, require_role
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, part
from veilbench.bench.findings import HEADLINE, RECORD, Findings, write_json, write_record
from veilbench.bench.folders import content_digest, write_whole_folder
from veilbench.bench.gathered import gather
from veilbench.bench.homes import PACKAGE
from veilbench.bench.named_files import digest_named_files
from veilbench.bench.provenance import list_written, require, sign
from veilbench.bench.sources import digest
from veilbench.bench.stage_run import write_stage_run
from veilbench.bench.trained_model import INPUTS, TrainedModel, load_trained_model

Watch = Callable[[int, dict[str, float]], None]
Summarize = Callable[[Config, Mapping[str, Findings]], Mapping[str, str | float]]
PREPARED, RESULTS = Path("prepared"), Path("results")
EXAMINERS = {"evaluate": "evaluation", "attack": "attack"}  # the group of the configuration that a stage runs
TRAINED = (*RECORD, "model.json", "model.safetensors", INPUTS, "weights")


def seed_stage(config: Config, stage: str) -> np.random.SeedSequence:
    """Return the source of all randomness of a stage, or of one evaluation or attack."""
    return np.random.SeedSequence([config["seed"], *stage.encode()])


def _part(config: Config, group: str) -> Any:
    """One part of a resolved experiment, or all its evaluations or attacks; see `experiment.part`."""
    built = part(config, group)
    require_role(group, built)
    return built


def prepare(config: Config, folder: Path) -> None:
    """Make or read the data and write what the later stages read into `folder`."""
    with write_whole_folder(folder, list_written(folder)) as partial, _named("data"):
        _part(config, "data").prepare(partial)
        sign(partial, "prepare", config)


def train(config: Config, data: Path, folder: Path, watch: Watch | None = None) -> None:
    """Train the model and save it, with its learning curves.

    Args:
        config: resolved experiment, as `experiment.load` returns it.
        data: folder that the stage `prepare` has written.
        folder: folder to write, which is replaced as a whole.
        watch: called during training with the number of steps and the latest values of the curves, for trainings that
            are watchable.

    Raises:
        UserError: the data was prepared for another experiment, or the training refuses something.
    """
    require(data, "prepare", config)
    began = time.time()
    trainer = _part(config, "trainer")
    model, training = _part(config, "model"), _part(config, "training")
    if watch:
        if not training.watchable:
            raise UserError(f"{type(training).__name__} has no curves to watch while it trains: set watched to null")
        training.watch = watch
    data_set = _part(config, "data")
    prepared = data_set.load(data)
    with write_whole_folder(folder, (*TRAINED, *list_written(folder))) as partial:
        started = time.perf_counter()
        weights = partial / "weights"
        weights.mkdir()
        with _named("training"):
            trained_model, findings = training.fit(model, prepared, trainer, seed_stage(config, "train"), weights)
        findings.cost["seconds"] = time.perf_counter() - started
        if not any(weights.iterdir()):  # a model without gradient steps; DVC does not keep empty folders
            weights.rmdir()
        trained_model.save(partial)
        (partial / INPUTS).write_text(json.dumps(data_set.describe_inputs(data)) + "\n", encoding="utf8")
        write_record(partial, {"training": findings})
        write_stage_run(partial, "train", config, began, time.time())
        sign(partial, "train", config)
    training.forget()  # what it could have gone on from is needed until the record is there


def evaluate(config: Config, data: Path, trained: Path, folder: Path, summarize: Summarize | None = None) -> None:
    """Measure what the trained model's code is good for.

    Args:
        config: resolved experiment, as `experiment.load` returns it.
        data: folder that the stage `prepare` has written.
        trained: folder that the stage `train` has written.
        folder: folder to write, which is replaced as a whole.
        summarize: function of the experiment and its findings that returns the content of headline.json; None writes no
            such file.
    """
    _examine(config, "evaluate", data, trained, folder, lambda name, examiner: (), summarize)


def attack(
    config: Config,
    data: Path,
    trained: Path,
    folder: Path,
    controls: Path = RESULTS / ".controls",
    summarize: Summarize | None = None,
) -> None:
    """Attack the trained model, each attack with its controls.

    Args:
        config: resolved experiment, as `experiment.load` returns it.
        data: folder that the stage `prepare` has written.
        trained: folder that the stage `train` has written.
        folder: folder to write, which is replaced as a whole.
        controls: folder in which the results of controls are cached.
        summarize: as for `evaluate`.
    """
    require(data, "prepare", config)
    _examine(config, "attack", data, trained, folder, remember_controls(config, data, controls), summarize)


def remember_controls(config: Config, data: Path, controls: Path) -> Callable[[str, Any], tuple[ControlMemory]]:
    """Return a function of an attack's name and the attack that returns the memory of its controls' results.

    Args:
        config: resolved experiment.
        data: folder that the stage `prepare` has written.
        controls: folder in which the results of controls are cached.
    """
    contents = content_digest(data)  # a loader's settings do not say what is in the files that they name

    def memory(name: str, examiner: Any) -> tuple[ControlMemory]:
        node = _at_largest_budget(config["attack"][name], examiner.budget_parameter)
        code = digest(Path(__file__), {"data": config["data"], "attack": node})
        parts = [code, digest_named_files(node), node, config["data"], contents, config["trainer"], config["seed"]]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return (ControlMemory(controls, f"{name}-{key}"),)

    return memory


def _at_largest_budget(node: Config, parameter: str | None) -> Config:
    """Return an attack's settings with the largest value of the budget alone: a control is run at no other.

    Args:
        node: settings of the attack, or of one of its parts.
        parameter: name of the budget, with dots if it is a setting of a part, such as "decoders.sizes".
    """
    name, _, rest = (parameter or "").partition(".")
    if name not in node:
        return node
    return {**node, name: _at_largest_budget(node[name], rest) if rest else max(node[name])}


def _examine(
    config: Config,
    stage: str,
    data: Path,
    trained: Path,
    folder: Path,
    more: Callable[[str, Any], tuple[Any, ...]],
    summarize: Summarize | None,
) -> None:
    require(data, "prepare", config)
    require(trained, "train", config)
    began = time.time()
    trained_model = load_trained_model(trained)
    prepared = _part(config, "data").load(data)
    with write_whole_folder(folder, (*RECORD, HEADLINE, *list_written(folder))) as partial:
        found = examine(config, EXAMINERS[stage], trained_model, prepared, more, trained)
        write_record(partial, found)
        if summarize:
            write_json(partial / HEADLINE, summarize(config, found))
        write_stage_run(partial, stage, config, began, time.time())
        sign(partial, stage, config)


def examine(
    config: Config,
    group: str,
    trained_model: TrainedModel,
    prepared: Any,
    more: Callable[[str, Any], tuple[Any, ...]],
    place: Path,
) -> dict[str, Findings]:
    """Run all evaluations or all attacks of an experiment on a trained model, and return their findings by name.

    Args:
        config: resolved experiment.
        group: "evaluation" or "attack".
        trained_model: the model.
        prepared: the prepared data.
        more: function of a name and its evaluation or attack that returns further arguments for `examine`.
        place: where the model comes from, for error messages.

    Raises:
        UserError: an evaluation or an attack does not apply to the model, unless that is `finished`, or failed.
    """
    trainer, examiners = _part(config, "trainer"), _part(config, group)
    found: dict[str, Findings] = {}
    in_memory = gather(prepared)
    for name, examiner in show_progress_of(list(examiners.items()), group):
        started = time.perf_counter()
        data = prepared if examiner.reads_in_parts else in_memory
        inputs = (trained_model, data, trainer, seed_stage(config, name), *more(name, examiner))
        if reason := explain_inapplicable(examiner, type(prepared)):
            found[name] = _skip(examiner, reason)
        elif trained_model.finished:
            found[name] = _examine_finished(f"{group}.{name}", examiner, inputs)
        else:
            check_trained(f"{group}.{name}", examiner, trained_model, place)
            with _named(f"{group}.{name}"):
                found[name] = examiner.examine(*inputs)
        found[name].cost["seconds"] = time.perf_counter() - started
    return found


def _examine_finished(place: str, examiner: Any, inputs: tuple[Any, ...]) -> Findings:
    """Examine a model that the user brought; what does not apply to it is recorded, so that the others run."""
    obstacle = find_obstacle(examiner, type(inputs[0]), inputs[0].lacks())
    with _named(place):
        try:
            if not obstacle:
                return cast(Findings, examiner.examine(*inputs))
        except NotImplementedError as error:
            obstacle = str(error)
    return _skip(examiner, obstacle)


def _skip(examiner: Any, reason: str) -> Findings:
    """Return the findings of an evaluation or attack that does not apply."""
    granted = examiner.threat.granted() if isinstance(examiner, Attack) else []
    return Findings.not_applicable(getattr(examiner, "title", type(examiner).__name__), reason, granted)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Turn what a computation cannot go on from into one line that names it: no number comes out of it.

    Args:
        what: is computed, such as "attack.membership".

    Raises:
        UserError: it does not apply, or met numbers that it cannot use: constant scores, losses that are not finite.
    """
    try:
        yield
    except NotImplementedError as error:
        raise UserError(f"{what} does not apply to this model: {error}") from error
    except (ValueError, ArithmeticError, FileNotFoundError) as error:
        raise UserError(f"{what} failed in {_place(error)}: {error or type(error).__name__}") from error


def _place(error: Exception) -> str:
    """The last function on the way to an error that belongs to what was computed, as `module.function`."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if str(PACKAGE) in f.filename]
    computing = [f for f in ours if Path(f.filename).name not in ("findings.py", "stages.py", "intervals.py")]
    last = (computing or ours)[-1]
    return f"{Path(last.filename).stem}.{last.name}"


def run_all(config: Config, root: Path, watch: Watch | None = None, begun: Callable[[], None] = lambda: None) -> None:
    """Every stage of one experiment in this process, into a folder of its own (for sweeps).

    Args:
        config: resolved experiment, as `experiment.load` returns it.
        root: folder of the job, with a subfolder for each stage.
        watch: called during training; passed on to `train`.
        begun: called once the data is prepared. Whoever refuses the settings or the folder has refused them by then.
    """
    data, trained = root / "prepared", root / "train"
    prepare(config, data)
    begun()
    train(config, data, trained, watch)
    evaluate(config, data, trained, root / "evaluate")
    attack(config, data, trained, root / "attack")
