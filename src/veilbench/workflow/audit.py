"""Audits a model from Python: findings of evaluations and attacks as objects, a table, a page or a run of MLflow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from veilbench.bench import stages
from veilbench.bench.compatibility import check_examiner
from veilbench.bench.contracts import DataSet, Trainable, UserModel
from veilbench.bench.errors import UserError, format_error, list_known
from veilbench.bench.experiment import Config, build, part
from veilbench.bench.findings import Findings, write_record
from veilbench.bench.live_model import LiveModel
from veilbench.bench.provenance import sign
from veilbench.bench.report import leaderboard, page
from veilbench.bench.report.records import Record, label
from veilbench.bench.trained_model import TrainedModel, list_unsupported, load_trained_model
from veilbench.families import register_all
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.conf import choices
from veilbench.workflow.given import name_data, name_model, read_model
from veilbench.workflow.steps import Steps

if TYPE_CHECKING:
    import pandas as pd

TRACKER = "veilbench.bench.tracking.mlflow.Mlflow"
Budget = Literal["small", "default"]
EXPERIMENTS = {  # whose evaluations and attacks are run, with small budgets and with those of the attacks' own configs
    "ciphers": {"small": "aes_ctr", "default": "aes_ctr"},
    "autoencoders": {"small": "pca", "default": "pca"},
    "templates": {"small": "raw_template", "default": "biohash_full"},
    "mail": {"small": "mail_logistic", "default": "mail_logistic"},
}
DETECTORS = "library_detector"  # for models that score rows and do not encode them
STEPS = {"evaluation": "evaluate", "attack": "attack"}  # names of the stages
TRAININGS = {"ciphers": "central", "autoencoders": "rows", "templates": "hashmap", "mail": "central"}


@dataclass(frozen=True, repr=False)
class Audit:
    """The findings about one model.

    Attributes:
        record: settings and findings, as the report takes them.
    """

    record: Record

    @property
    def evaluations(self) -> dict[str, Findings]:
        """Findings of the evaluations, by their names."""
        return self.record.found["evaluate"]

    @property
    def attacks(self) -> dict[str, Findings]:
        """Findings of the attacks, by their names: gain, verdict, controls, curves."""
        return self.record.found["attack"]

    def table(self) -> pd.DataFrame:
        """Return a row for each attack: what the attacker has, gain with its interval, verdict, reason and controls."""
        import pandas as pd

        rows = {name: _describe(found) for name, found in self.attacks.items()}
        columns = ["threat_model", "gain", "low", "high", "verdict", "reason", "controls_passed", "controls"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("attack")

    def page(self) -> str:
        """Return the page of the report with this model alone, as HTML."""
        register_all()
        return page.render([self.record], files=False)

    def save(self, path: str | Path) -> None:
        """Write the page to a file."""
        Path(path).write_text(self.page(), encoding="utf8")

    def track(self, uri: str | None = None) -> str | None:
        """Publish the findings as a run of MLflow, and return its id.

        Args:
            uri: address of the tracking store; None for that of `MLFLOW_TRACKING_URI`, or mlflow.db in this folder.
        """
        register_all()
        tracker = build({"_target_": TRACKER, **({"uri": uri} if uri else {})})
        with tempfile.TemporaryDirectory(prefix="veilbench-") as folder:
            for stage, found in self.record.found.items():
                (Path(folder) / stage).mkdir()
                write_record(Path(folder) / stage, found)
                sign(Path(folder) / stage, stage, self.record.config)
            published: str | None = tracker.publish(self.record.config, Path(folder))
            return published

    def __repr__(self) -> str:
        """Return the verdict of each attack in one line."""
        verdicts = ", ".join(f"{name}: {found.verdict or 'no verdict'}" for name, found in self.attacks.items())
        return f"Audit({self.record.name}; {verdicts or 'no attack'})"

    def _repr_html_(self) -> str:
        """Return the table of attacks, for notebooks."""
        return str(self.table().to_html())


def _describe(found: Findings) -> list[Any]:
    gain = found.gain
    numbers = [gain.value, gain.low, gain.high] if gain else [None] * 3
    passed = sum(control.passed for control in found.controls)
    verdict = str(found.verdict) if found.verdict else None
    threat = ", ".join(leaderboard.granted_flags(found))
    return [threat, *numbers, verdict, found.reason or None, passed, len(found.controls)]


def audit(
    model: Any,
    data: Any,
    attacks: Sequence[str] | None = None,
    evaluations: Sequence[str] | None = None,
    family: str | None = None,
    budget: Budget = "small",
    seed: int = 0,
    settings: Sequence[str] = (),
    progress: bool = True,
) -> Audit:
    """Evaluate and attack a model, each attack with its controls.

    The numbers are those of the pipeline with the same settings and seed, to the last digit.

    Args:
        model: a trained model or its folder, a model to be fitted to the data, the name of a file of conf/model, or any
            object with the methods of its family: `encrypt` and `decrypt` on bytes (ciphers); `encode`, with or without
            `decode`, or a fitted detector of scikit-learn or PyOD (autoencoders); a torch module or a function from
            images to codes (templates); `predict_proba` on texts (mail). With a family also the path of an .onnx file
            (templates, autoencoders) or a .skops file (mail).
        data: a data set, the name of a file of conf/data, or the path of a file or a folder of your own: a text
            (ciphers), .npz, .csv, .tsv or .parquet (autoencoders), a folder of images per person or a table of
            embeddings (templates), a folder or a .csv of mails (mail).
        attacks: names of files of conf/attack; None for all that apply to models of the family.
        evaluations: names of files of conf/evaluation; None for all of the family.
        family: "ciphers", "autoencoders", "templates" or "mail"; None for the family of the model.
        budget: "small" for the budgets of the pipeline, "default" for those of the attacks' own configs.
        seed: seed of everything random.
        settings: further settings, as overrides in Hydra's grammar, such as "attack.evasion.steps=20".
        progress: whether to print a line to stderr for each step, with its seconds.

    Raises:
        UserError: a name is unknown, or the model, the data and an attack do not fit each other.
    """
    named = str(model) if isinstance(model, str | Path) else type(model).__name__
    model, family = read_model(model, family)
    if family not in EXPERIMENTS:
        raise UserError(f"family={family}: there is no such family{list_known(str(family), EXPERIMENTS)}")
    if budget not in EXPERIMENTS[family]:
        raise UserError(f"budget={budget} is not allowed: one of {', '.join(EXPERIMENTS[family])}")
    experiment = DETECTORS if _only_scores(model) else EXPERIMENTS[family][budget]
    chosen = name_model(model, family, experiment) if isinstance(model, str) else [f"experiment={experiment}"]
    chosen += [f"seed={seed}", "tracking=none"]
    chosen += name_data(data, family) if isinstance(data, str | Path) else []
    for group, names in (("attack", attacks), ("evaluation", evaluations)):
        chosen += [] if names is None else [f"{group}=[{','.join(_name(name, group) for name in names)}]"]
    if isinstance(model, LiveModel) and family == "autoencoders" and isinstance(data, str | Path):
        chosen.append("data.scale=none")  # a fitted object gets the rows as they are; `settings` may change that
    if isinstance(model, UserModel | Trainable):
        chosen.append(f"training={TRAININGS[family]}")
    given = {word.partition("=")[0].lstrip("+") for word in settings}
    chosen = [word for word in chosen if word.partition("=")[0] not in given]
    config = plain(composed([*chosen, *settings]), overrides=[*chosen, *settings])
    config["names"] = {**config["names"], "experiment": None, "model": named}
    chosen_groups = {"attack": attacks is not None, "evaluation": evaluations is not None}
    with tempfile.TemporaryDirectory(prefix="veilbench-") as folder:
        steps = Steps(progress)
        return Audit(_examine(config, model, data, chosen_groups, Path(folder), steps))


def load(folder: str | Path) -> TrainedModel:
    """Load a trained model, such as `results/<experiment>/train`.

    Args:
        folder: folder with `model.json` and `model.safetensors`.

    Raises:
        UserError: the folder holds no model that this version and its plug-ins know.
    """
    return load_trained_model(Path(folder))


def _only_scores(model: Any) -> bool:
    from veilbench.families.autoencoders.schemes.base import Detector, Representation

    return isinstance(model, Detector) and not isinstance(model, Representation)


def _name(given: Any, group: str) -> str:
    if not isinstance(given, str) or given not in choices(group):
        raise UserError(f"there is no {group} {given}{list_known(str(given), choices(group))}")
    return given


def _examine(config: Config, model: Any, data: Any, chosen: Mapping[str, bool], folder: Path, steps: Steps) -> Record:
    """Prepare, train, evaluate and attack, with objects in place of the parts that are given as such."""
    parts = {key: part(config, key) for key in ("data", "model", "training", "trainer")}
    names = dict(config["names"])
    if not isinstance(data, str | Path):
        parts["data"], names["data"] = data, type(data).__name__
    if not isinstance(model, str):
        parts["model"] = model.as_model() if isinstance(model, UserModel) else model
        config = {**config, "model": {"object": names["model"]}}
    kinds = (("data", DataSet), ("model", (Trainable, TrainedModel)))
    for group, kind in kinds:
        if not isinstance(parts[group], kind):
            raise UserError(f"{group}={type(parts[group]).__name__} is no {group} of veilbench's contracts")
    config = {**config, "names": names}
    absent = {group: _drop_inapplicable(config, group, parts, chosen[group]) for group in ("evaluation", "attack")}
    prepared_in = folder / "prepared"
    prepared_in.mkdir()
    with steps.show(f"prepare  {names['data']}"):
        parts["data"].prepare(prepared_in)
    prepared = parts["data"].load(prepared_in)
    with steps.show(f"train  {names['model']}"):
        trained, training = _fit(config, parts, prepared, folder)
    place = Path(type(trained).__name__)
    memory = stages.remember_controls(config, prepared_in, folder / "controls")
    found = {
        "train": training,
        "evaluate": _examine_each(
            config, "evaluation", trained, prepared, lambda name, examiner: (), place, chosen["evaluation"], steps
        ),
        "attack": _examine_each(config, "attack", trained, prepared, memory, place, chosen["attack"], steps)
        | absent["attack"],
    }
    return Record(label(config, []), config, found, ())


def _examine_each(
    config: Config,
    group: str,
    trained: TrainedModel,
    prepared: Any,
    more: Callable[[str, Any], tuple[Any, ...]],
    place: Path,
    chosen: bool,
    steps: Steps,
) -> dict[str, Findings]:
    """Run evaluations or attacks one by one; of those that the caller has not chosen, one that fails says why."""
    found: dict[str, Findings] = {}
    for name, node in config[group].items():
        try:
            with steps.show(f"{STEPS[group]}  {name}"):
                found |= stages.examine({**config, group: {name: node}}, group, trained, prepared, more, place)
        except UserError as error:
            if chosen:
                raise
            title = str(getattr(part({group: {name: node}}, group)[name], "title", name))
            found[name] = Findings(title, reason=f"not applicable: {format_error(error)}")
    return found


def _drop_inapplicable(config: Config, group: str, parts: Mapping[str, Any], chosen: bool) -> dict[str, Findings]:
    """Remove the evaluations or attacks that do not apply from the configuration.

    Returns:
        Findings for each one that was removed, with the reason and without a verdict.

    Raises:
        UserError: one that the caller has chosen does not apply.
    """
    absent = {}
    for name, examiner in part(config, group).items():
        try:
            check_examiner(f"{group}.{name}", examiner, parts)
        except UserError as error:
            if chosen:
                raise
            title = getattr(examiner, "title", name)
            absent[name] = Findings(title, reason=f"not applicable: {format_error(error)}")
    config[group] = {name: node for name, node in config[group].items() if name not in absent}
    return absent


def _fit(
    config: Config, parts: Mapping[str, Any], prepared: Any, folder: Path
) -> tuple[TrainedModel, dict[str, Findings]]:
    """Train the model as the stage `train` does, unless it is trained already."""
    model = parts["model"]
    if isinstance(model, TrainedModel) and "fit" in list_unsupported(type(model)):
        return model, {}
    if not isinstance(model, parts["training"].model_kind):
        kind = type(parts["training"]).__name__
        raise UserError(f"{type(model).__name__} is not trained by {kind}: give settings=['training=NAME']")
    (folder / "weights").mkdir()
    seeds = stages.seed_stage(config, "train")
    trained, findings = parts["training"].fit(model, prepared, parts["trainer"], seeds, folder / "weights")
    return trained, {"training": findings}
