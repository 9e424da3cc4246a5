"""Every numeric setting has two bounds, and arrays that would not fit into memory are refused beforehand."""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import yaml
from annotated_types import Ge, Gt, Le, Lt

from veilbench.bench import limits
from veilbench.bench.errors import UserError
from veilbench.bench.limits import (
    Count,
    Delta,
    LearningRate,
    Seed,
    require_arguments,
    require_room,
    require_value,
    require_weights,
)
from veilbench.bench.sources import find_targets
from veilbench.workflow.compose import composed, plain

ROOT = Path(__file__).parents[2]
HUGE = (10**12, 10**15, 10**30, -(10**30))


def named() -> list[str]:
    """Return every class that a file of conf/ names."""
    files = sorted((ROOT / "conf").rglob("*.yaml"))
    return sorted({target for file in files for target in find_targets(yaml.safe_load(file.read_text()))})


def leaves(annotation: Any, bounds: tuple[Any, ...] = ()) -> Iterator[tuple[type, tuple[Any, ...]]]:
    """Yield the numeric types within an annotation, each with its bounds."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *own = get_args(annotation)
        yield from leaves(inner, (*bounds, *own))
    elif annotation in (int, float):
        yield annotation, bounds
    elif dataclasses.is_dataclass(annotation):
        for hint in get_type_hints(annotation, include_extras=True).values():
            yield from leaves(hint)
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from leaves(part, bounds)
    elif origin not in (None, Literal, collections.abc.Callable):
        for part in get_args(annotation):
            yield from leaves(part)  # the bounds of a list concern its length


def arguments(target: str) -> dict[str, Any]:
    module, _, name = target.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    made = kind.__init__ if inspect.isclass(kind) else kind
    hints = get_type_hints(made, include_extras=True)
    return {name: hints[name] for name in inspect.signature(kind).parameters if name in hints}


def unbounded(annotation: Any) -> list[str]:
    missing = []
    for kind, bounds in leaves(annotation):
        if not any(isinstance(bound, Gt | Ge) for bound in bounds):
            missing.append(f"{kind.__name__} without a lower end")
        if not any(isinstance(bound, Lt | Le) for bound in bounds):
            missing.append(f"{kind.__name__} without an upper end")
    return missing


@pytest.mark.parametrize("target", named())
def test_every_number_of_a_constructor_has_two_ends(target: str) -> None:
    assert {name: bad for name, hint in arguments(target).items() if (bad := unbounded(hint))} == {}


def test_the_search_for_numbers_without_ends_finds_them() -> None:
    @dataclasses.dataclass
    class Part:
        turn: Annotated[int, Ge(0)]

    for free in (int, float | None, list[int], Annotated[int, Ge(1)], dict[str, Annotated[float, Lt(1)]], Part):
        assert unbounded(free), free
    for fine in (Count, Count | Literal["auto"], list[LearningRate], str, bool, Literal[32, 64]):
        assert unbounded(fine) == [], fine


def test_conf_names_classes_of_every_kind() -> None:
    """Guards against an empty list above."""
    kinds = {part for target in named() for part in target.split(".")}
    assert {"data", "modules", "training", "evaluations", "attacks", "federated", "baselines", "templates"} <= kinds


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, 0.0, -1.0])
def test_a_learning_rate_is_a_positive_finite_number(value: float) -> None:
    with pytest.raises(ValueError, match=rf"^rate={re.escape(repr(value))} is not allowed: input should"):
        require_value(LearningRate, value, "rate")
    require_value(LearningRate, 1e-3, "rate")


@pytest.mark.parametrize("value", HUGE)
def test_whole_numbers_beyond_every_use_are_refused_by_value(value: int) -> None:
    with pytest.raises(ValueError, match=f"^x={value} is not allowed: input should be (less|greater) than or equal to"):
        require_value(Count, value, "x")


def test_a_seed_is_one_that_numpy_and_torch_take() -> None:
    import torch

    require_value(Seed, largest := 2**63 - 1, "seed")
    np.random.default_rng(largest)
    torch.Generator().manual_seed(largest)
    with pytest.raises(ValueError, match="is not allowed: input should be less than"):
        require_value(Seed, 2**63, "seed")


@pytest.mark.parametrize("value", [0.5, 0.9, 1.0, 0.0, -0.1, float("nan")])
def test_delta_is_a_small_probability(value: float) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        require_value(Delta, value, "delta")
    require_value(Delta, 1e-5, "delta")


def test_a_long_value_is_told_by_its_beginning() -> None:
    with pytest.raises(ValueError, match=r"^x=\[0, 0, .{150,200}\.\.\. is not allowed") as refused:
        require_value(Count, [0] * 10_000, "x")
    assert len(str(refused.value)) < 300


@dataclasses.dataclass(frozen=True)
class Schedule:
    steps: Count = 1


class Scheduled:
    def __init__(self, schedule: Schedule, later: Schedule | None) -> None:
        pass


def test_an_argument_that_is_a_dataclass_is_required_as_an_object() -> None:
    require_arguments(Scheduled, {"schedule": Schedule(), "later": None}, "x")
    said = r"^x.schedule={'steps': 1} is not allowed: input should be an instance of Schedule$"
    with pytest.raises(ValueError, match=said):
        require_arguments(Scheduled, {"schedule": {"steps": 1}, "later": None}, "x")
    with pytest.raises(
        ValueError, match=r"^x.later=3 is not allowed: input should be an instance of schedule$"
    ):  # pydantic's text
        require_arguments(Scheduled, {"schedule": Schedule(), "later": 3}, "x")


SMALL, FEDERATED = "experiment=cipher_small", "experiment=mail_federated"
OVERRIDES = [
    ([SMALL, "model.members=1000000000000"], "model.members=1000000000000 is not allowed"),
    ([SMALL, "model.members=10000000", "model.code_bits=16"], "GiB, and this machine has"),
    ([SMALL, "model.learning_rate=nan"], "model.learning_rate=nan is not allowed: input should be a finite number"),
    ([SMALL, "model.learning_rate=inf"], "model.learning_rate=inf is not allowed: input should be"),
    ([SMALL, "model.learning_rate=1e300"], "model.learning_rate=1e+300 is not allowed"),
    ([SMALL, f"training.max_steps={10**30}"], f"training.max_steps={10**30} is not allowed"),
    ([SMALL, f"training.batch_size={10**30}"], f"training.batch_size={10**30} is not allowed"),
    ([SMALL, f"data.words=[{10**15},{10**15}]"], f"data.words[0]={10**15} is not allowed"),
    ([SMALL, f"data.longest_word={10**15}"], f"data.longest_word={10**15} is not allowed"),
    ([SMALL, f"seed={10**30}"], f"seed={10**30} is not allowed: input should be less than {2**63}"),
    ([SMALL, f"attack.frequency.search.restarts={10**30}"], f"frequency.search.restarts={10**30} is not allowed"),
    ([SMALL, f"trainer.threads={10**6}"], f"trainer.threads={10**6} is not allowed"),
    (
        [FEDERATED, f"data.clients.sizes=[{10**12},1]"],
        f"data.clients.sizes[0]={10**12} is not allowed",
    ),
    ([FEDERATED, f"data.source.mails={10**12}"], f"data.source.mails={10**12} is not allowed"),
    ([FEDERATED, f"model.dimension={10**12}"], f"model.dimension={10**12} is not allowed"),
    (
        ["experiment=mail_client_local_dp", "training.aggregation.delta=0.9"],
        "training.aggregation.delta=0.9 is not allowed",
    ),
    (
        ["experiment=mail_client_local_dp", "training.aggregation.noise_multiplier=0"],
        "noise_multiplier=0 is not allowed",
    ),
    (
        ["experiment=mail_flower_dp", "training.privacy.delta=0.5"],
        "training.privacy.delta=0.5 is not allowed: input should be less than",
    ),
    (["experiment=hashmap", f"data.source.size={10**9}"], f"data.source.size={10**9} is not allowed"),
    (["experiment=hashmap", "data.source.identities=10000000"], "identities=10000000 x impressions=6 of size=96 need"),
]


@pytest.mark.parametrize(("overrides", "said"), OVERRIDES, ids=[" ".join(each)[:80] for each, _ in OVERRIDES])
def test_a_number_beyond_every_use_is_told_while_composing(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        plain(composed(overrides))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_needs_more_than_the_memory_is_told_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "available_memory", lambda: 2**30)
    require_room("x=1 rows", 2**14, 2**14)
    with pytest.raises(UserError, match=r"^x=1 rows need 2 GiB, and this machine has 1 GiB of memory$"):
        require_room("x=1 rows", 2**14, 2**14, each=8)
    with pytest.raises(UserError, match=r"^x=1 rows need 2\*\*\d+ GiB"):
        require_room("x=1 rows", 2**2000)


def test_a_net_needs_its_weights_their_gradients_and_adams_two_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(30, 20, bias=False), torch.nn.Linear(20, 7, bias=False))
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.ones(3, 30)).sum().backward()
    optimiser.step()
    moments = [kept[name] for kept in optimiser.state.values() for name in ("exp_avg", "exp_avg_sq")]
    held = [part for weight in net.parameters() for part in (weight, weight.grad)] + moments
    needed = sum(part.nbytes for part in held if part is not None)
    shapes = [tuple(weight.shape) for weight in net.parameters()]
    monkeypatch.setattr(limits, "available_memory", lambda: needed)
    require_weights("x=1 nets", shapes)
    monkeypatch.setattr(limits, "available_memory", lambda: needed - 1)
    with pytest.raises(UserError, match=r"^x=1 nets need .* GiB, and this machine has"):
        require_weights("x=1 nets", shapes)


def with_settings(count: Count, rate: LearningRate = 0.1) -> None:
    pass


class WithSettings:
    def __init__(self, count: Count, rate: LearningRate = 0.1) -> None:
        pass


class WithoutSettings:
    pass


@pytest.mark.parametrize("made", [with_settings, WithSettings])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 1}, "file.rate is missing"),
        ({"rate": 0.1}, "file.count is missing"),
        ({"count": 1, "rate": 0.1, "more": 2}, "unknown key file.more; allowed: count, rate"),
        ({"count": 1, "rate": -1.0}, "file.rate=-1.0 is not allowed: input should be greater than 0"),
        ({"count": "1", "rate": 0.1}, "file.count='1' is not allowed: input should be a valid integer"),
        ([1, 0.1], "file=[1, 0.1] is not allowed: an object is needed"),
    ],
)
def test_saved_settings_are_exactly_the_arguments(made: Any, given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        require_arguments(made, given, "file")
    require_arguments(made, {"count": 1, "rate": 0.1}, "file")


def test_a_class_without_arguments_allows_no_settings() -> None:
    require_arguments(WithoutSettings, {}, "file")
    with pytest.raises(ValueError, match=r"^unknown key file\.more; allowed: none$"):
        require_arguments(WithoutSettings, {"more": 1}, "file")


def test_the_memory_is_that_of_the_control_group_where_it_is_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CGROUP", tmp_path / "none")
    physical = limits.available_memory()
    assert physical > 2**26
    for text, wanted in (("max\n", physical), ("1048576\n", 2**20), (f"{2**60}\n", physical)):
        (tmp_path / "max").write_text(text)
        monkeypatch.setattr(limits, "CGROUP", tmp_path / "max")
        assert limits.available_memory() == wanted
