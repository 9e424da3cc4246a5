"""Identities dealt into parts: nobody is in two, nothing is lost, enrolment and probe differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.templates.data.identities import PARTS, Identities, IdentitiesData, resize_images, select_rows
from veilbench.families.templates.data.raw_identities import RawIdentities


class Given:
    """A source of what it was given."""

    def __init__(self, raw: RawIdentities) -> None:
        self.raw = raw

    def read(self) -> RawIdentities:
        return self.raw


def made(counts: list[int], size: tuple[int, int] = (10, 8)) -> RawIdentities:
    """Random images, `counts` of each identity, with an attribute that is the identity's parity."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(len(counts)) * 10, counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    images = rng.integers(0, 256, (len(who), 1, *size)).astype(np.uint8)
    return RawIdentities(images, who, numbers, {"parity": who // 10 % 2}, {"parity": ["even", "odd"]}, ["a note"])


def through_files(data: IdentitiesData, folder: Path) -> Identities:
    data.prepare(folder)
    return data.load(folder)


def test_identities_are_dealt_as_they_are_numbered_if_not_shuffled(tmp_path: Path) -> None:
    found = through_files(IdentitiesData(Given(made([3] * 10)), (0.4, 0.1, 0.5), shuffled=False), tmp_path)
    parts = [found.train, found.auxiliary, found.enrolment, found.probe]
    first, second = {0, 10, 20, 30}, {50, 60, 70, 80, 90}
    assert [set(part.identities.tolist()) for part in parts] == [first, {40}, second, second]


@pytest.mark.parametrize("enrolled", [1, 3])
def test_every_image_is_dealt_once_and_nobody_is_in_two_parts(tmp_path: Path, enrolled: int) -> None:
    raw = made([5] * 20)
    found = through_files(IdentitiesData(Given(raw), (0.5, 0.2, 0.3), enrolled, seed=1), tmp_path)
    parts = {name: getattr(found, name) for name in PARTS}
    assert [len(np.unique(part.identities)) for part in parts.values()] == [10, 4, 6, 6]
    people = {name: set(part.identities.tolist()) for name, part in parts.items()}
    assert people["train"].isdisjoint(people["auxiliary"] | people["probe"])
    assert people["auxiliary"].isdisjoint(people["probe"])
    assert people["enrolment"] == people["probe"]
    assert len(found.enrolment) == 6 * enrolled
    seen = sorted((w, i) for part in parts.values() for w, i in zip(part.identities, part.impressions, strict=True))
    assert seen == sorted(zip(raw.identities, raw.impressions, strict=True))
    for part in parts.values():
        for image, who, number, parity in zip(
            part.images, part.identities, part.impressions, part.attributes["parity"], strict=True
        ):
            (place,) = np.flatnonzero((raw.identities == who) & (raw.impressions == number))
            assert (np.rint(image * 255) == raw.samples[place]).all()
            assert parity == who // 10 % 2
    assert found.train.images.dtype == np.float32
    assert found.labels == {"parity": ["even", "odd"]}
    assert found.notes == ["a note"]
    assert found.shape == (1, 10, 8)


def test_the_deal_repeats_with_its_seed_and_changes_with_it(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
    raw = made([4] * 12)
    one, same, other = (
        through_files(IdentitiesData(Given(raw), seed=seed), tmp_path / name)
        for name, seed in zip("abc", (0, 0, 1), strict=True)
    )
    assert (one.probe.images == same.probe.images).all()
    assert set(one.train.identities) != set(other.train.identities)


def test_people_without_a_probe_are_left_out_and_noted(tmp_path: Path) -> None:
    found = through_files(IdentitiesData(Given(made([4] * 6 + [2] * 6)), (0.2, 0.2, 0.6), 2), tmp_path)
    assert "test identities left out" in found.notes[-1]
    assert set(found.enrolment.identities) == set(found.probe.identities)
    assert set(found.probe.identities) <= set(range(0, 60, 10))


def test_some_rows_can_be_chosen(tmp_path: Path) -> None:
    part = through_files(IdentitiesData(Given(made([4] * 12))), tmp_path).train
    few = part.subset(part.impressions < 2)
    assert len(few) == len(part) // 2
    assert (few.attributes["parity"] == few.identities // 10 % 2).all()


def test_images_are_scaled_with_their_mean_kept() -> None:
    smooth = np.linspace(0, 255, 64).astype(np.uint8)[None, None, None].repeat(64, 2)
    small = resize_images(smooth, (16, 32))
    assert small.shape == (1, 1, 16, 32)
    assert abs(float(small.mean()) - float(smooth.mean())) < 1
    assert (np.diff(small[0, 0, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"samples": np.zeros((4, 1, 8, 8), np.uint8)}, "4 images are blank"),
        ({"samples": np.zeros((4, 3, 8, 8), np.uint8)}, r"\(n, 1, h, w\) is needed"),
        ({"samples": np.zeros((4, 1, 8, 8))}, "are float64"),
        ({"identities": np.zeros(3, int)}, "identities have shape"),
    ],
)
def test_unusable_images_are_refused(tmp_path: Path, spoil: dict[str, np.ndarray], said: str) -> None:
    usual = made([2, 2], (8, 8))
    fields = {"samples": usual.samples, "identities": usual.identities, "impressions": usual.impressions}
    with pytest.raises(UserError, match=said):
        IdentitiesData(Given(RawIdentities(**fields | spoil))).prepare(tmp_path)


def test_too_few_people_or_impressions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the part train has no identities"):
        IdentitiesData(Given(made([4, 4])), (0.1, 0.1, 0.8)).prepare(tmp_path)
    with pytest.raises(UserError, match="more than enrolled=9"):
        IdentitiesData(Given(made([4] * 10)), enrolled=9).prepare(tmp_path)


@pytest.mark.parametrize("settings", [{"split": (0.5, 0.5)}, {"split": (0.5, 0.5, 0.5)}, {"size": (8,)}])
def test_bad_settings_are_refused(settings: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        IdentitiesData(Given(made([2])), **settings)  # type: ignore[arg-type]


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"identities\.safetensors; run `dvc repro prepare`"):
        IdentitiesData(Given(made([2]))).load(tmp_path)


class Twinned(Given):
    """A source whose twins are mirrored; `shift` is added to their numbers."""

    def __init__(self, raw: RawIdentities, shift: int = 0) -> None:
        super().__init__(raw)
        self.shift = shift

    def generate_twins(self, identities: np.ndarray, impressions: int | None = None) -> RawIdentities:
        rows = np.flatnonzero(np.isin(self.raw.identities, identities) & (self.raw.impressions == 0))
        twins = select_rows(self.raw, rows)
        return replace(twins, samples=twins.samples[..., ::-1], identities=twins.identities + self.shift)


@pytest.mark.parametrize("size", [None, (8, 12)])
def test_the_enrolled_people_have_twins_where_the_source_has(size: tuple[int, int] | None, tmp_path: Path) -> None:
    raw = made([3] * 10)
    found = through_files(IdentitiesData(Twinned(raw), size=size), tmp_path)
    assert found.twins is not None
    assert set(found.twins.identities.tolist()) == set(found.enrolment.identities.tolist())
    assert found.twins.samples.shape[1:] == found.shape
    assert (found.twins.attributes["parity"] == found.twins.identities // 10 % 2).all()
    if size is None:
        for image, identity in zip(found.twins.samples, found.twins.identities, strict=True):
            (row,) = np.flatnonzero((raw.identities == identity) & (raw.impressions == 0))
            assert image == pytest.approx(raw.samples[row][..., ::-1].astype(np.float32) / 255)


def test_sources_without_twins_have_none(tmp_path: Path) -> None:
    assert through_files(IdentitiesData(Given(made([3] * 10))), tmp_path).twins is None


def test_twins_of_nobody_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"twins.identities holds \d+, which is not enrolled"):
        through_files(IdentitiesData(Twinned(made([3] * 10), shift=1)), tmp_path)


def test_training_people_have_twins_on_demand(tmp_path: Path) -> None:
    raw = made([3] * 10)
    found = through_files(IdentitiesData(Twinned(raw), train_twins=1), tmp_path)
    assert found.train_twins is not None
    assert set(found.train_twins.identities.tolist()) == set(found.train.identities.tolist())
    for image, identity in zip(found.train_twins.samples, found.train_twins.identities, strict=True):
        (row,) = np.flatnonzero((raw.identities == identity) & (raw.impressions == 0))
        assert image == pytest.approx(raw.samples[row][..., ::-1].astype(np.float32) / 255)


def test_training_twins_need_a_source_that_has_them() -> None:
    with pytest.raises(ValueError, match=r"train_twins=1: Given generates no twins, 0 is allowed"):
        IdentitiesData(Given(made([3] * 10)), train_twins=1)


def test_every_training_identity_needs_its_twin(tmp_path: Path) -> None:
    source = Twinned(made([3] * 10))
    source.generate_twins = (
        lambda identities, impressions=None: (  # type: ignore[method-assign]
            Twinned.generate_twins(source, identities[1:] if impressions else identities)
        )
    )
    with pytest.raises(UserError, match=r"identity \d+ is in one of train.identities and train_twins.identities alone"):
        through_files(IdentitiesData(source, train_twins=1), tmp_path)
