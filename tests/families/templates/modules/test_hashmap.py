"""Hashmaps are learned: people who were never seen are told apart better, and each switch does what it says."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.corruptions.random_affine import RandomAffine
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.modules.hashmap import Hashmap
from veilbench.families.templates.regularisers.impersonation import Impersonation
from veilbench.families.templates.regularisers.inversion_adversary import InversionAdversary
from veilbench.families.templates.schemes.hashmap import HashmapScheme
from veilbench.families.templates.training.federated_identities import FederatedIdentities
from veilbench.metrics.biometric import Comparisons, equal_error_rate, error_rates
from veilbench.training.central import Central
from veilbench.training.federated import Federated
from veilbench.workflow.compose import composed, plain


def part(first: int, people: int, each: int = 4, twins: bool = False) -> Impressions:
    """Waves whose direction, width and bend are each person's own; where they begin is not, and there is noise.

    A twin has the direction and the width of the original, and another bend.
    """
    who = np.repeat(np.arange(first, first + people), each)
    rng = np.random.default_rng(first)
    y, x = np.mgrid[:24, :24] / 24 - 0.5
    images = []
    for person in who:
        own = np.random.default_rng([5, person])
        angle, width, bend = own.uniform(0, np.pi), own.uniform(14, 34), own.uniform(-24, 24)
        bend = -bend if twins else bend
        turned, phase = angle + rng.normal(0, 0.05), rng.uniform(-1.5, 1.5)
        wave = x * np.cos(turned) + y * np.sin(turned)
        images.append(0.5 + 0.4 * np.cos(width * wave + bend * x * y + phase) + rng.normal(0, 0.2, x.shape))
    return Impressions(np.clip(np.stack(images), 0, 1)[:, None].astype(np.float32), who, np.arange(len(who)), {})


@pytest.fixture(scope="module")
def data() -> Identities:
    test = part(5000, 30)
    first = np.arange(len(test)) % 4 == 0
    return Identities(part(0, 60), part(1000, 5), test.subset(first), test.subset(~first), {}, [])


def fitted(data: Identities, folder: Path, steps: int = 60, seed: int = 0, **settings: Any) -> HashmapScheme:
    module = Hashmap(**{"code": 32, "channels": (8, 16), "augmentation": RandomAffine(4, 0.02)} | settings)
    training = Central(max_steps=steps, batch_size=16, steps_per_call=20)
    model, found = training.fit(module, data, Accelerator("cpu"), np.random.SeedSequence(seed), folder)
    assert isinstance(model, HashmapScheme)
    assert found.metrics["steps"].value == steps
    return model


def eer(scheme: HashmapScheme, data: Identities) -> float:
    keys = [np.zeros(len(some), np.uint64) for some in (data.probe, data.enrolment)]
    templates = [scheme.enroll(some.images, k) for some, k in zip((data.probe, data.enrolment), keys, strict=True)]
    alike = scheme.compare_all(*templates)
    pairs = Comparisons.of_all(alike, data.probe.identities, data.enrolment.identities)
    return equal_error_rate(error_rates(pairs.scores, pairs.mated))


@pytest.fixture(scope="module")
def untrained(data: Identities, tmp_path_factory: pytest.TempPathFactory) -> float:
    return eer(fitted(data, tmp_path_factory.mktemp("untrained"), 1, learning_rate=1e-9), data)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "supcon"},
        {"loss": "triplet", "margin": 0.3},
        {"loss": "arcface", "margin": 0.2, "steps": 300, "learning_rate": 5e-3},
        {"loss": "supcon", "binary": True, "keyed": True, "code": 64},
        {"loss": "supcon", "norm": "group", "noise": 0.2, "mirrored": True},
        {"loss": "supcon", "inverter": InversionAdversary(0.5, 32, 8), "impersonation": Impersonation(0.03, 1, 4)},
    ],
    ids=lambda settings: "-".join(settings) or "contrastive",
)
def test_people_never_seen_are_told_apart_better(
    data: Identities, tmp_path: Path, untrained: float, settings: dict[str, Any]
) -> None:
    assert untrained > 0.15
    assert eer(fitted(data, tmp_path, **settings), data) < 0.75 * untrained


def test_the_seed_decides_to_the_last_digit(data: Identities, tmp_path: Path) -> None:
    settings = {"inverter": InversionAdversary(0.5, 16, 6), "impersonation": Impersonation(0.03, 1, 4), "noise": 0.1}
    one, same, other = (fitted(data, tmp_path, 6, seed, **settings).arrays() for seed in (0, 0, 1))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["last.weight"], other["last.weight"])


def test_a_switch_at_zero_is_off(data: Identities, tmp_path: Path) -> None:
    off = {"inverter": InversionAdversary(0.0, 16, 6), "impersonation": Impersonation(0.0, 1, 4), "noise": 0.0}
    plain_one, other = (fitted(data, tmp_path, 6, **settings).arrays() for settings in ({}, off))
    assert all(np.array_equal(plain_one[name], other[name]) for name in plain_one)


def test_the_adversary_learns_and_the_penalty_hides_from_it() -> None:
    """The code of a linear map: the gradient of the penalty makes it say less about the images."""
    generator = torch.Generator().manual_seed(0)
    patterns = functional.interpolate(torch.randn(4, 1, 4, 4, generator=generator), scale_factor=4)
    share = torch.randn(64, 4, generator=generator)
    images = torch.einsum("np,pchw->nchw", share, patterns)
    torch.manual_seed(0)
    adversary = InversionAdversary(1.0, 32, 4, 0.01)
    adversary.build_decoder(4)
    learned = [float(adversary.penalty(functional.normalize(share, dim=1), images)) for _ in range(150)]
    assert learned[0] < 0.1
    assert learned[-1] > 0.8
    mixing = torch.eye(4, requires_grad=True)
    optimizer = torch.optim.Adam([mixing], 0.05)
    hidden = []
    for _ in range(500):
        penalty = adversary.penalty(functional.normalize(share @ mixing, dim=1), images)
        optimizer.zero_grad()
        torch.autograd.backward(penalty)
        optimizer.step()
        hidden.append(float(penalty.detach()))
    assert np.mean(hidden[-20:]) < 0.75 * hidden[0]
    assert all(parameter.requires_grad for parameter in adversary.decoder.parameters())


def test_an_attacked_image_stays_in_its_ball_and_is_nearer_to_its_target_than_with_noise(data: Identities) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 5, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(196, 8))

    def codes(images: torch.Tensor) -> torch.Tensor:
        return functional.normalize(net(images), dim=1)

    images = torch.from_numpy(data.train.images[:40:4])
    targets = codes(images).detach().roll(1, 0)
    generator = torch.Generator().manual_seed(0)
    moved = Impersonation(0.05, 3).perturb(codes, images, targets, generator)
    assert (moved - images).abs().max() <= 0.05 + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    noise = 0.05 * torch.randn(images.shape, generator=generator).sign()
    alike = [(codes(some) * targets).sum(1).mean().item() for some in (images, images + noise, moved)]
    assert alike[2] > alike[0] + 5 * abs(alike[1] - alike[0])


def test_training_on_attacked_images_makes_impersonation_harder(data: Identities, tmp_path: Path) -> None:
    def gained(scheme: HashmapScheme) -> float:
        images = torch.from_numpy(data.probe.images)
        targets = scheme.features_tensor(images).roll(3, 0)
        generator = torch.Generator().manual_seed(0)
        moved = Impersonation(0.03, 10).perturb(scheme.features_tensor, images, targets, generator)
        rise = scheme.similarity_tensor(scheme.features_tensor(moved), targets)
        return float((rise - scheme.similarity_tensor(scheme.features_tensor(images), targets)).mean())

    plain_one = fitted(data, tmp_path, loss="supcon")
    hardened = fitted(data, tmp_path, loss="supcon", impersonation=Impersonation(0.03, 2, 16))
    assert gained(hardened) < 0.9 * gained(plain_one)


def test_federated_averaging_trains_the_same_module(data: Identities, tmp_path: Path, untrained: float) -> None:
    module = Hashmap(
        code=32, channels=(8, 16), loss="supcon", norm="group", mirrored=True, augmentation=RandomAffine(4, 0.02)
    )
    training = FederatedIdentities(Federated(rounds=10, local_epochs=8, batch_size=20), 3)
    model, found = training.fit(module, data, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    assert isinstance(model, HashmapScheme)
    assert found.metrics["rounds"].value == 10
    assert eer(model, data) < 0.8 * untrained


MODELS = ["hashmap", "hashmap_binary", "hashmap_triplet", "hashmap_supcon", "hashmap_hardened", "hashmap_averaged"]


@pytest.mark.parametrize("name", MODELS)
def test_the_configs_write_out_every_argument(name: str) -> None:
    node = plain(composed(["data=prints_small", "training=hashmap", f"model={name}"]))["model"]
    assert isinstance(build(node), Hashmap)
    assert node.keys() - {"_target_"} == inspect.signature(Hashmap).parameters.keys()


def test_the_plain_config_has_the_defaults() -> None:
    node = plain(composed(["data=prints_small", "training=hashmap", "model=hashmap"]))["model"]
    named = inspect.signature(Hashmap).parameters
    written = {key: tuple(value) if isinstance(value, list) else value for key, value in node.items()}
    assert {key: written[key] for key in named if key not in ("augmentation", "mirrored")} == {
        key: parameter.default for key, parameter in named.items() if key not in ("augmentation", "mirrored")
    }


def test_an_encoder_that_is_trained_with_twins_tells_twins_apart(data: Identities, tmp_path: Path) -> None:
    with_twins = replace(data, train_twins=part(0, 60, twins=True))
    assert Hashmap(code=32, channels=(8, 16)).start(with_twins, np.random.SeedSequence(0)).shape == (60, 2)
    own, twins = part(7000, 40, 2), part(7000, 40, 2, twins=True)

    def separate(model: HashmapScheme) -> float:
        first, second, other = (
            model.features(images) for images in (own.images[::2], own.images[1::2], twins.images[::2])
        )
        scores = np.r_[(first * second).sum(1), (first * other).sum(1)]
        return float(roc_auc_score(np.repeat([1, 0], 40), scores))

    without, trained = (separate(fitted(one, tmp_path, 150)) for one in (data, with_twins))
    assert trained > without + 0.05
