"""The contrastive loss against plain loops, and the library's losses by name."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import pytest
import torch

from veilbench.families.templates.losses.contrastive import contrastive_loss, contrastive_loss_with_strangers
from veilbench.families.templates.losses.metric import MetricLoss, build_metric_loss

PEOPLE = torch.tensor([0, 0, 1, 1, 1, 2])


def codes(seed: int = 0, n: int = 6) -> torch.Tensor:
    drawn = torch.randn((n, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1)


def test_it_is_that_of_a_plain_loop() -> None:
    rows, near, missing = codes(), [], []
    for i, j in itertools.combinations(range(6), 2):
        distance = math.dist(rows[i].tolist(), rows[j].tolist())
        if PEOPLE[i] == PEOPLE[j]:
            near.append(distance**2 / 2)
        elif distance < 1.3:
            missing.append((1.3 - distance) ** 2 / 2)
    assert 1 < len(missing) < 11  # some strangers are far enough, and do not count
    wanted = sum(near) / len(near) + sum(missing) / len(missing)
    assert float(contrastive_loss(rows, PEOPLE, 1.3)) == pytest.approx(wanted)


def test_own_codes_are_pushed_from_strangers_and_not_from_each_other() -> None:
    rows, strangers = codes(), codes(1, 4)
    near = [math.dist(rows[i], rows[j]) ** 2 / 2 for i, j in [(0, 1), (2, 3), (2, 4), (3, 4)]]
    far = [max(0.0, 1.3 - math.dist(a, b)) ** 2 / 2 for a in rows.tolist() for b in strangers.tolist()]
    wanted = sum(near) / 4 + sum(far) / sum(x > 0 for x in far)
    assert float(contrastive_loss_with_strangers(rows, PEOPLE, strangers, 1.3)) == pytest.approx(wanted)


def test_it_has_a_gradient_where_codes_are_equal_and_none_where_all_is_well() -> None:
    equal = torch.ones(2, 3, requires_grad=True)
    contrastive_loss(equal, torch.tensor([0, 1]), 1.0).backward()  # type: ignore[no-untyped-call]
    assert equal.grad is not None
    assert torch.isfinite(equal.grad).all()
    well = torch.eye(3)[[0, 0, 1, 1]].requires_grad_()
    loss = contrastive_loss(well, torch.tensor([0, 0, 1, 1]), 1.0)
    assert loss.item() < 1e-8


@pytest.mark.parametrize("name", get_args(MetricLoss))
def test_every_loss_prefers_people_who_are_apart(name: str) -> None:
    torch.manual_seed(0)
    people = torch.arange(4).repeat_interleave(3)
    loss = build_metric_loss(name, 0.5, 0.1, 4, 8)  # type: ignore[arg-type]
    mixed = torch.nn.functional.normalize(torch.randn(12, 8), dim=1).requires_grad_()
    if name == "arcface":
        assert isinstance(loss, torch.nn.Module)
        apart = torch.nn.functional.normalize(next(loss.parameters()).detach().T, dim=1)[people]
    else:
        apart = torch.eye(8)[people]
    value = loss(mixed, people)
    value.backward()
    assert mixed.grad is not None
    assert mixed.grad.abs().max() > 0
    assert float(loss(apart, people)) < float(value)


def test_supcon_is_the_formula_of_its_paper() -> None:
    rows, wanted = codes(), 0.0
    alike = rows @ rows.T / 0.2
    anchors = range(5)  # the sixth has no partner
    for i in anchors:
        others = [j for j in range(6) if j != i]
        below = torch.logsumexp(alike[i, others], 0)
        own = [j for j in others if PEOPLE[i] == PEOPLE[j]]
        wanted -= sum(float(alike[i, j] - below) for j in own) / len(own) / len(anchors)
    assert float(build_metric_loss("supcon", 1.0, 0.2, 3, 5)(rows, PEOPLE)) == pytest.approx(wanted)
