"""Checks that data, model, training, evaluations and attacks fit each other, while an experiment is composed."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.contracts import DataSet, Evaluation, Examiner, Kinds, Tracker, Trainable, Training
from veilbench.bench.errors import UserError
from veilbench.bench.roots import with_article
from veilbench.bench.trained_model import TrainedModel, list_unsupported

ROLES: dict[str, tuple[type, ...]] = {
    "data": (DataSet,),
    "model": (Trainable, TrainedModel),
    "training": (Training,),
    "trainer": (Accelerator,),
    "tracking": (Tracker,),
}


LISTS: dict[str, type] = {"evaluation": Evaluation, "attack": Attack}


def require_role(group: str, part: Any) -> None:
    """Refuse an object of the wrong class for its config group.

    Args:
        group: name of the config group, such as "model" or "attack".
        part: the constructed object; for "evaluation" and "attack" a mapping from names to objects.

    Raises:
        UserError: the object, or one of the mapping, is of a class that the group does not allow.
    """
    if group not in LISTS:
        _require_kind(group, part, ROLES[group])
        return
    if not isinstance(part, Mapping):
        raise UserError(f"{group}={_name(part)} is not allowed: a mapping from names to objects is needed")
    for name, examiner in part.items():
        _require_kind(f"{group}.{name}", examiner, (LISTS[group],))


def _require_kind(place: str, part: Any, kinds: tuple[type, ...]) -> None:
    if not isinstance(part, kinds):
        raise UserError(f"{place}={_name(part)} is not allowed: it is not {_names(kinds)}")


def check_parts(parts: Mapping[str, Any], named: Container[str] | None = None) -> None:
    """Check that the parts of an experiment fit each other.

    An experiment may list evaluations and attacks that do not apply to the data, such as those of images for data
    without images: they become findings that say so. What the user named must apply.

    Args:
        parts: the constructed `data`, `model`, `training`, `trainer` and `tracking`, and the evaluations and attacks by
            their names under `evaluation` and `attack`.
        named: evaluations and attacks that the user named, such as "attack.affine"; None for all of them.

    Raises:
        UserError: a part has the wrong class for its group, or does not fit another part.
    """
    for group in (*ROLES, *LISTS):
        require_role(group, parts[group])
    data, model, training = parts["data"], parts["model"], parts["training"]
    if not issubclass(data.data_kind, model.data_kind):
        raise UserError(
            f"model={_name(model)} does not fit data={_name(data)}: it takes {model.data_kind.__name__}, "
            f"and the data are {data.data_kind.__name__}"
        )
    if not isinstance(model, training.model_kind):
        trains = _names(training.model_kind)
        raise UserError(f"training={_name(training)} does not fit model={_name(model)}: it trains {trains}")
    if lacking_data := [need for need in training.data_needs if need not in data.data_kind.__dataclass_fields__]:
        raise UserError(f"training={_name(training)} does not fit data={_name(data)}: they have no {lacking_data[0]}")
    if isinstance(model, TrainedModel) and (reason := list_unsupported(type(model)).get("fit")):
        raise UserError(f"training={_name(training)} does not fit model={_name(model)}: {reason}")
    for group in LISTS:
        for name, examiner in parts[group].items():
            place = f"{group}.{name}"
            if named is None or place in named or not explain_inapplicable(examiner, data.data_kind):
                check_examiner(place, examiner, parts)


def explain_inapplicable(examiner: Examiner, kind: type) -> str:
    """Return why an evaluation or attack does not apply to prepared data of a kind; empty if it applies."""
    if issubclass(kind, examiner.data_kind):
        return ""
    return f"it examines {examiner.data_kind.__name__}, and these are {kind.__name__}"


def check_examiner(place: str, examiner: Examiner, parts: Mapping[str, Any]) -> None:
    """Check that an evaluation or an attack applies to the data and to what the model becomes.

    Args:
        place: place of the evaluation or attack in the configuration, for the error message.
        examiner: the evaluation or attack.
        parts: the constructed `data`, `model` and `training`.

    Raises:
        UserError: it does not apply; the message says why.
    """
    data, model = parts["data"], parts["model"]
    if reason := explain_inapplicable(examiner, data.data_kind):
        raise UserError(f"{place} does not apply to data={_name(data)}: {reason}")
    trained = model.trained_kind or type(model)
    obstacle = find_obstacle(examiner, trained, model.lacks(), parts["training"].provides)
    if obstacle and not trained.finished:
        raise UserError(f"{place} does not apply to model={_name(model)}: {obstacle}")


def find_obstacle(
    examiner: Examiner, kind: type[TrainedModel], lacks: Mapping[str, str], provided: Sequence[str] = ()
) -> str:
    """Return why an evaluation or attack cannot examine a trained model; empty if it can.

    Args:
        examiner: the evaluation or attack.
        kind: class of the trained model.
        lacks: operations that the model does not have, each with the reason, see `TrainedModel.lacks`.
        provided: operations that the model gets from its training, even if it lacks them.
    """
    if not issubclass(kind, examiner.target_kind):
        return f"it examines {_names(examiner.target_kind)}, and this model becomes {with_article(kind.__name__)}"
    missing = {**list_unsupported(kind), **lacks}
    return next((missing[need] for need in examiner.target_needs if need in missing and need not in provided), "")


def check_trained(place: str, examiner: Examiner, trained: TrainedModel, folder: Path) -> None:
    """Check that the model in a folder is of the kind that an evaluation or attack examines.

    Raises:
        UserError: it is not; another program has replaced it.
    """
    if not isinstance(trained, examiner.target_kind):
        raise UserError(
            f"{folder} holds {with_article(_name(trained))}, and {place} examines {_names(examiner.target_kind)}: "
            "run the stage `train` again"
        )


def _name(part: object) -> str:
    return type(part).__name__


def _names(kinds: Kinds) -> str:
    """Join the names of classes with articles: "a Representation or a Detector"."""
    return " or ".join(with_article(kind.__name__) for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
