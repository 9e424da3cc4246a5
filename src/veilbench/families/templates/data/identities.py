"""Samples with identities, several impressions of each, split by identity into parts; and data sets of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from veilbench.bench import prepared
from veilbench.bench.checked_arrays import require_array, require_shape
from veilbench.bench.contracts import DataSet
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Natural, NotNegative, Seed, Side
from veilbench.families.templates.data.raw_identities import IdentitySource, RawIdentities, TwinSource, check_images

PARTS = ("train", "auxiliary", "enrolment", "probe")
TWINS, TRAIN_TWINS = "twins", "train_twins"  # names of parts that not all data have
NAME = "identities"  # name of the file with the arrays


@dataclass(frozen=True)
class Impressions:
    """Samples of one part of the data.

    Attributes:
        samples: grey images, shape (n, 1, h, w), float32 in [0, 1]; or embeddings, shape (n, d), float32.
        identities: identity of each sample, shape (n,), int64; the numbers mean the same in all parts.
        impressions: number of each sample within its identity, shape (n,), int64.
        attributes: maps an attribute's name to labels, shape (n,), int64.
    """

    samples: np.ndarray
    identities: np.ndarray
    impressions: np.ndarray
    attributes: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def images(self) -> np.ndarray:
        """Return the samples of a data set of images, shape (n, 1, h, w).

        Raises:
            UserError: the samples are embeddings.
        """
        if self.samples.ndim == 2:
            raise UserError(f"there are no images: the samples are embeddings of {self.samples.shape[1]} numbers")
        return self.samples

    def subset(self, rows: np.ndarray) -> Impressions:
        """Return the impressions selected by indices or by a mask."""
        attributes = {name: labels[rows] for name, labels in self.attributes.items()}
        return Impressions(self.samples[rows], self.identities[rows], self.impressions[rows], attributes)


@dataclass(frozen=True)
class Identities:
    """A data set, split into parts. Training, auxiliary and test parts share no identity.

    Attributes:
        train: samples that the encoder is trained on.
        auxiliary: samples that the attackers have.
        enrolment: impressions of the test identities that are enrolled.
        probe: other impressions of the same identities, compared with the enrolled ones.
        labels: maps an attribute's name to the words for its labels.
        notes: changes made to the data that a reader of the results should know.
        twins: samples of a twin of each enrolled identity, under the identity's number; None if the data has no twins.
            A twin is another identity with the same coarse features.
        train_twins: samples of a twin of each training identity, under the identity's number; None without them.
    """

    train: Impressions
    auxiliary: Impressions
    enrolment: Impressions
    probe: Impressions
    labels: dict[str, list[str]]
    notes: list[str]
    twins: Impressions | None = field(default=None, kw_only=True)
    train_twins: Impressions | None = field(default=None, kw_only=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one sample: (1, height, width) for images, (numbers,) for embeddings."""
        return tuple(self.train.samples.shape[1:])

    @property
    def has_images(self) -> bool:
        """Return whether the samples are images, not embeddings."""
        return len(self.shape) == 3


@dataclass(frozen=True)
class ImageIdentities(Identities):
    """Identities whose samples are images."""


@dataclass(frozen=True)
class EmbeddedIdentities(Identities):
    """Identities whose samples are embeddings, without images."""


class IdentitiesData(DataSet):
    """Splits a source's images by identity.

    Args:
        source: loader or generator of the images.
        split: shares of the identities for the train, auxiliary and test parts; they sum to 1.
        enrolled: number of impressions of each test identity to enrol, drawn at random; the others are probes. Test
            identities without a probe are left out, with a note.
        size: height and width to scale the images to, in pixels; None keeps them.
        seed: seed of the split.
        shuffled: whether to split the identities in random order; otherwise in the order of their numbers, with the
            first ones in the train part.
        train_twins: number of samples of a twin of each training identity, so that an encoder can learn to tell them
            apart; for sources that generate twins. 0 for none.
    """

    data_kind: ClassVar[type[Identities]] = ImageIdentities
    samples: ClassVar[str] = "images"  # name of the samples' arrays in the prepared file

    def __init__(
        self,
        source: IdentitySource,
        split: Sequence[NotNegative] = (0.5, 0.2, 0.3),
        enrolled: Count = 1,
        size: Sequence[Annotated[Side, Ge(8)]] | None = None,
        seed: Seed = 0,
        shuffled: bool = True,
        train_twins: Natural = 0,
    ) -> None:
        if len(split) != 3 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"split={list(split)} must be three positive shares that make 1: train, auxiliary, test")
        if size is not None and len(size) != 2:
            raise ValueError(f"size={list(size)} must be two numbers, height and width, or null")
        self.source, self.split, self.enrolled = source, list(split), enrolled
        self.size, self.seed, self.shuffled = size if size is None else tuple(size), seed, shuffled
        if train_twins and not isinstance(source, TwinSource):
            raise ValueError(f"train_twins={train_twins}: {type(source).__name__} generates no twins, 0 is allowed")
        self.train_twins = train_twins

    def prepare(self, folder: Path) -> None:
        """Read or generate the samples, and write identities.safetensors and about.json.

        Raises:
            UserError: the samples cannot be used; the message says which and why.
        """
        raw = self.read()
        self.check(raw)
        notes = list(raw.notes)
        rows = dict(zip(PARTS, self._split_people(raw, notes), strict=True))
        parts = {name: select_rows(raw, some) for name, some in rows.items()}
        twins = {TWINS: self.generate_twins(np.unique(parts["enrolment"].identities))}
        if self.train_twins:
            twins[TRAIN_TWINS] = self.generate_twins(np.unique(parts["train"].identities), self.train_twins)
        for name, generated in twins.items():
            if generated is not None:
                self.check(generated)
                parts[name] = generated
        arrays = {f"{name}.{key}": array for name, part in parts.items() for key, array in self._arrays(part).items()}
        prepared.write(folder, NAME, arrays, {"labels": raw.labels, "notes": notes})

    def _arrays(self, part: RawIdentities) -> dict[str, np.ndarray]:
        """Return the arrays of a part as they are stored."""
        arrays = {self.samples: self.scale(part.samples), "identities": part.identities}
        arrays |= {"impressions": part.impressions}
        arrays |= {f"attribute_{key}": labels for key, labels in part.attributes.items()}
        return {key: np.ascontiguousarray(array) for key, array in arrays.items()}

    def generate_twins(self, identities: np.ndarray, impressions: int | None = None) -> RawIdentities | None:
        """Return samples of the twins of these identities; None if the source has none."""
        return self.source.generate_twins(identities, impressions) if isinstance(self.source, TwinSource) else None

    def read(self) -> RawIdentities:
        """Return the samples to split."""
        return self.source.read()

    def check(self, raw: RawIdentities) -> None:
        """Reject samples that cannot be compared; see `check_images`."""
        check_images(raw)

    def scale(self, samples: np.ndarray) -> np.ndarray:
        """Return the samples as they are stored: images scaled to `size`."""
        return samples if self.size is None else resize_images(samples, self.size)

    def split_identities(self, identities: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """Split the identities into those of the train, auxiliary and test parts."""
        people = np.unique(identities)
        people = rng.permutation(people) if self.shuffled else people
        ends = np.round(np.cumsum(self.split) * len(people)).astype(int)
        return np.split(people, ends[:-1])

    def _split_people(self, raw: RawIdentities, notes: list[str]) -> list[np.ndarray]:
        """Return the row indices of each part."""
        rng = np.random.default_rng(self.seed)
        groups = self.split_identities(raw.identities, rng)
        for name, group in zip(("train", "auxiliary", "test"), groups, strict=True):
            if not len(group):
                people = len(np.unique(raw.identities))
                raise UserError(f"the part {name} has no identities: {people} were split as {self.split}")
        shuffled = rng.permutation(len(raw.identities))
        index = np.empty(len(shuffled), np.int64)  # index of each row among its identity's rows, in random order
        for person in groups[2]:
            rows = shuffled[raw.identities[shuffled] == person]
            index[rows] = np.arange(len(rows)) if len(rows) > self.enrolled else -1
        test = np.isin(raw.identities, groups[2])
        if left_out := len(np.unique(raw.identities[test & (index < 0)])):
            notes.append(f"{left_out} test identities left out: they have no more than {self.enrolled} impressions")
        masks = [np.isin(raw.identities, group) for group in groups[:2]]
        masks += [test & (index >= 0) & (index < self.enrolled), test & (index >= self.enrolled)]
        if not masks[3].any():
            raise UserError(f"no identity of the test has more than enrolled={self.enrolled} impressions")
        return [np.flatnonzero(mask) for mask in masks]

    def load(self, folder: Path) -> Identities:
        """Read what `prepare` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        with prepared.read(folder, NAME) as (arrays, about):
            labels = prepared.field(about, "labels", dict[str, list[str]])
            parts = {name: _part(arrays, name, self.load_samples(arrays, name), labels) for name in PARTS}
            notes = prepared.field(about, "notes", list[str])
            twins = {
                name: _part(arrays, name, self.load_samples(arrays, name), labels)
                for name in (TWINS, TRAIN_TWINS)
                if f"{name}.{self.samples}" in arrays
            }
            identities = self.data_kind(**parts, **twins, labels=labels, notes=notes)
            _refuse_inconsistent(identities, self.samples)
            return identities

    def load_samples(self, arrays: Mapping[str, np.ndarray], part: str) -> np.ndarray:
        """Return a part's images from the stored arrays, shape (n, 1, h, w), float32 in [0, 1].

        Raises:
            ValueError: the array is not as `prepare` writes it.
        """
        images = require_array(arrays, f"{part}.images", np.uint8, (None, 1, None, None))
        if not images.size:
            raise ValueError(f"{part}.images is empty: its shape is {list(images.shape)}")
        return images.astype(np.float32) / 255


def _part(
    arrays: Mapping[str, np.ndarray], name: str, samples: np.ndarray, words: Mapping[str, Sequence[str]]
) -> Impressions:
    """Build one part from stored arrays.

    Args:
        arrays: arrays of all parts, by name.
        name: name of the part.
        samples: samples of the part, shape (n, ...).
        words: maps an attribute's name to the words for its labels.

    Raises:
        ValueError: the arrays are not as `prepare` writes them.
    """
    n = (len(samples),)
    attributes = {
        key: require_array(arrays, f"{name}.attribute_{key}", np.int64, n, low=0, high=len(part_words) - 1)
        for key, part_words in words.items()
    }
    stored = {key.removeprefix(f"{name}.attribute_") for key in arrays if key.startswith(f"{name}.attribute_")}
    if nameless := stored - words.keys():
        raise ValueError(f"{name}.attribute_{min(nameless)} has no words in about.json")
    identities, impressions = (
        require_array(arrays, f"{name}.{key}", np.int64, n, low=0) for key in ("identities", "impressions")
    )
    return Impressions(samples, identities, impressions, attributes)


def _refuse_inconsistent(data: Identities, samples: str) -> None:
    """Reject parts whose samples differ in shape, or parts that share identities although they must not.

    Raises:
        ValueError: the parts do not fit; the message says why.
    """
    for name in PARTS[1:]:
        require_shape(getattr(data, name).samples, f"{name}.{samples}", (None, *data.shape))
    for first, second in (("train", "auxiliary"), ("train", "enrolment"), ("auxiliary", "enrolment")):
        if len(shared := np.intersect1d(getattr(data, first).identities, getattr(data, second).identities)):
            raise ValueError(f"identity {shared[0]} is both in {first}.identities and in {second}.identities")
    if len(stray := np.setdiff1d(data.probe.identities, data.enrolment.identities)):
        raise ValueError(f"probe.identities holds {stray[0]}, which is not enrolled")
    if data.twins is not None:
        require_shape(data.twins.samples, f"{TWINS}.{samples}", (None, *data.shape))
        if len(stray := np.setdiff1d(data.twins.identities, data.enrolment.identities)):
            raise ValueError(f"{TWINS}.identities holds {stray[0]}, which is not enrolled")
    if data.train_twins is not None:
        require_shape(data.train_twins.samples, f"{TRAIN_TWINS}.{samples}", (None, *data.shape))
        if len(single := np.setxor1d(data.train_twins.identities, data.train.identities)):
            raise ValueError(f"identity {single[0]} is in one of train.identities and {TRAIN_TWINS}.identities alone")


def select_rows(raw: RawIdentities, rows: np.ndarray) -> RawIdentities:
    """Return some of the samples, selected by indices or by a mask."""
    attributes = {name: labels[rows] for name, labels in raw.attributes.items()}
    return RawIdentities(raw.samples[rows], raw.identities[rows], raw.impressions[rows], attributes, raw.labels)


def resize_images(images: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Scale images to a height and width with antialiasing; shape (n, 1, h, w), uint8."""
    from PIL import Image

    if images.shape[2:] == tuple(size):
        return images
    shape = (size[1], size[0])
    scaled = [np.asarray(Image.fromarray(image[0]).resize(shape, Image.Resampling.LANCZOS)) for image in images]
    return np.stack(scaled)[:, None]
