"""Images with identities, several impressions of each, split by identity into parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
from annotated_types import Ge

from veilbench.bench import prepared
from veilbench.bench.checked_arrays import require_array, require_shape
from veilbench.bench.contracts import DataSet
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, NotNegative, Seed, Side

PARTS = ("train", "auxiliary", "enrolment", "probe")
NAME = "identities"  # name of the file with the arrays


@dataclass(frozen=True)
class RawIdentities:
    """Images as returned by a loader or generator.

    Attributes:
        images: grey images, shape (n, 1, h, w), uint8.
        identities: identity of each image, shape (n,), int64.
        impressions: number of each image within its identity, shape (n,), int64.
        attributes: maps an attribute's name to labels, shape (n,), int64: indices into `labels[name]`.
        labels: maps an attribute's name to the words for its labels.
        notes: changes made to the data that a reader of the results should know.
        files: path of each image's file, for error messages; empty if they are not in files of their own.
    """

    images: np.ndarray
    identities: np.ndarray
    impressions: np.ndarray
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


class IdentitySource(Protocol):
    """Interface of a loader or generator of images."""

    def read(self) -> RawIdentities:
        """Read or generate all images."""
        ...


@dataclass(frozen=True)
class Impressions:
    """Images of one part of the data.

    Attributes:
        images: grey images, shape (n, 1, h, w), float32 in [0, 1].
        identities: identity of each image, shape (n,), int64; the numbers mean the same in all parts.
        impressions: number of each image within its identity, shape (n,), int64.
        attributes: maps an attribute's name to labels, shape (n,), int64.
    """

    images: np.ndarray
    identities: np.ndarray
    impressions: np.ndarray
    attributes: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, rows: np.ndarray) -> Impressions:
        """Return the impressions selected by indices or by a mask."""
        attributes = {name: labels[rows] for name, labels in self.attributes.items()}
        return Impressions(self.images[rows], self.identities[rows], self.impressions[rows], attributes)


@dataclass(frozen=True)
class Identities:
    """A data set, split into parts. Training, auxiliary and test parts share no identity.

    Attributes:
        train: images that the encoder is trained on.
        auxiliary: images that the attackers have.
        enrolment: impressions of the test identities that are enrolled.
        probe: other impressions of the same identities, compared with the enrolled ones.
        labels: maps an attribute's name to the words for its labels.
        notes: changes made to the data that a reader of the results should know.
    """

    train: Impressions
    auxiliary: Impressions
    enrolment: Impressions
    probe: Impressions
    labels: dict[str, list[str]]
    notes: list[str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one image."""
        return tuple(self.train.images.shape[1:])


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
    """

    data_kind = Identities

    def __init__(
        self,
        source: IdentitySource,
        split: Sequence[NotNegative] = (0.5, 0.2, 0.3),
        enrolled: Count = 1,
        size: Sequence[Annotated[Side, Ge(8)]] | None = None,
        seed: Seed = 0,
        shuffled: bool = True,
    ) -> None:
        if len(split) != 3 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"split={list(split)} must be three positive shares that make 1: train, auxiliary, test")
        if size is not None and len(size) != 2:
            raise ValueError(f"size={list(size)} must be two numbers, height and width, or null")
        self.source, self.split, self.enrolled = source, list(split), enrolled
        self.size, self.seed, self.shuffled = size if size is None else tuple(size), seed, shuffled

    def prepare(self, folder: Path) -> None:
        """Read or generate the images, and write identities.safetensors and about.json.

        Raises:
            UserError: the images cannot be used; the message says which and why.
        """
        raw = self.read()
        check_raw(raw)
        notes = list(raw.notes)
        images = raw.images if self.size is None else resize_images(raw.images, self.size)
        arrays: dict[str, np.ndarray] = {}
        for name, rows in zip(PARTS, self._split_people(raw, notes), strict=True):
            part = {"images": images[rows], "identities": raw.identities[rows], "impressions": raw.impressions[rows]}
            part |= {f"attribute_{key}": labels[rows] for key, labels in raw.attributes.items()}
            arrays |= {f"{name}.{key}": np.ascontiguousarray(array) for key, array in part.items()}
        prepared.write(folder, NAME, arrays, {"labels": raw.labels, "notes": notes})

    def read(self) -> RawIdentities:
        """Return the images to split."""
        return self.source.read()

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
            parts = {name: _part(arrays, name, labels) for name in PARTS}
            identities = Identities(**parts, labels=labels, notes=prepared.field(about, "notes", list[str]))
            _refuse_inconsistent(identities)
            return identities


def _part(arrays: Mapping[str, np.ndarray], name: str, words: Mapping[str, Sequence[str]]) -> Impressions:
    """Build one part from stored arrays.

    Args:
        arrays: arrays of all parts, by name.
        name: name of the part.
        words: maps an attribute's name to the words for its labels.

    Raises:
        ValueError: the arrays are not as `prepare` writes them.
    """
    images = require_array(arrays, f"{name}.images", np.uint8, (None, 1, None, None))
    if not images.size:
        raise ValueError(f"{name}.images is empty: its shape is {list(images.shape)}")
    n = (len(images),)
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
    return Impressions(images.astype(np.float32) / 255, identities, impressions, attributes)


def _refuse_inconsistent(data: Identities) -> None:
    """Reject parts whose images differ in size, or parts that share identities although they must not.

    Raises:
        ValueError: the parts do not fit; the message says why.
    """
    for name in PARTS[1:]:
        require_shape(getattr(data, name).images, f"{name}.images", (None, *data.shape))
    for first, second in (("train", "auxiliary"), ("train", "enrolment"), ("auxiliary", "enrolment")):
        if len(shared := np.intersect1d(getattr(data, first).identities, getattr(data, second).identities)):
            raise ValueError(f"identity {shared[0]} is both in {first}.identities and in {second}.identities")
    if len(stray := np.setdiff1d(data.probe.identities, data.enrolment.identities)):
        raise ValueError(f"probe.identities holds {stray[0]}, which is not enrolled")


def check_raw(raw: RawIdentities) -> None:
    """Reject images that cannot be compared.

    Raises:
        UserError: there are wrong shapes, identities or labels that are not integers from 0, attributes without words,
            or blank images.
    """
    if raw.images.ndim != 4 or raw.images.shape[1] != 1 or raw.images.dtype != np.uint8 or not len(raw.images):
        raise UserError(f"images are {raw.images.dtype} of shape {raw.images.shape}: uint8 (n, 1, h, w) is needed")
    for name, labels in {"identities": raw.identities, "impressions": raw.impressions, **raw.attributes}.items():
        if labels.shape != (len(raw.images),):
            raise UserError(f"{name} have shape {labels.shape} for {len(raw.images)} images")
        if labels.dtype != np.int64 or labels.min() < 0:
            raise UserError(f"{name} are {labels.dtype} from {labels.min()}; int64 from 0 is needed")
    for name, labels in raw.attributes.items():
        if labels.max() >= len(raw.labels.get(name, ())):
            raise UserError(f"{name} holds {labels.max()}, but there are the words {raw.labels.get(name, [])}")
    flat = raw.images.reshape(len(raw.images), -1)
    if len(blank := np.flatnonzero(flat.max(1) == flat.min(1))):
        first = f"impression {raw.impressions[blank[0]]} of identity {raw.identities[blank[0]]}"
        raise UserError(f"{len(blank)} images are blank; the first is {raw.files[blank[0]] if raw.files else first}")


def resize_images(images: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Scale images to a height and width with antialiasing; shape (n, 1, h, w), uint8."""
    from PIL import Image

    if images.shape[2:] == tuple(size):
        return images
    shape = (size[1], size[0])
    scaled = [np.asarray(Image.fromarray(image[0]).resize(shape, Image.Resampling.LANCZOS)) for image in images]
    return np.stack(scaled)[:, None]
