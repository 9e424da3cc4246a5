"""Samples with identities as loaders and generators return them, before they are split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from veilbench.bench.errors import UserError


@dataclass(frozen=True)
class RawIdentities:
    """Samples as returned by a loader or generator.

    Attributes:
        samples: grey images, shape (n, 1, h, w), uint8; or embeddings, shape (n, d), float32.
        identities: identity of each sample, shape (n,), int64.
        impressions: number of each sample within its identity, shape (n,), int64.
        attributes: maps an attribute's name to labels, shape (n,), int64: indices into `labels[name]`.
        labels: maps an attribute's name to the words for its labels.
        notes: changes made to the data that a reader of the results should know.
        files: path of each sample's file, for error messages; empty if they are not in files of their own.
    """

    samples: np.ndarray
    identities: np.ndarray
    impressions: np.ndarray
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


class IdentitySource(Protocol):
    """Interface of a loader or generator of samples."""

    def read(self) -> RawIdentities:
        """Read or generate all samples."""
        ...


@runtime_checkable
class TwinSource(Protocol):
    """Interface of a generator that can generate twins: other identities that share an identity's coarse features."""

    def generate_twins(self, identities: np.ndarray, impressions: int | None = None) -> RawIdentities | None:
        """Generate samples of the twins of these identities, with the identities' numbers; None generates none.

        Args:
            identities: numbers of the identities, shape (n,).
            impressions: number of samples of each twin; None leaves it to the source.
        """
        ...


def check_images(raw: RawIdentities) -> None:
    """Reject images that cannot be compared.

    Raises:
        UserError: there are wrong shapes or labels, see `check_labels`, or blank images.
    """
    images = raw.samples
    if images.ndim != 4 or images.shape[1] != 1 or images.dtype != np.uint8 or not len(images):
        raise UserError(f"images are {images.dtype} of shape {images.shape}: uint8 (n, 1, h, w) is needed")
    check_labels(raw)
    flat = images.reshape(len(images), -1)
    if len(blank := np.flatnonzero(flat.max(1) == flat.min(1))):
        first = f"impression {raw.impressions[blank[0]]} of identity {raw.identities[blank[0]]}"
        raise UserError(f"{len(blank)} images are blank; the first is {raw.files[blank[0]] if raw.files else first}")


def check_labels(raw: RawIdentities) -> None:
    """Reject identities, impressions and attributes that do not fit the samples.

    Raises:
        UserError: they have wrong shapes, are not integers from 0, or an attribute has no words for its labels.
    """
    for name, labels in {"identities": raw.identities, "impressions": raw.impressions, **raw.attributes}.items():
        if labels.shape != (len(raw.samples),):
            raise UserError(f"{name} have shape {labels.shape} for {len(raw.samples)} samples")
        if labels.dtype != np.int64 or labels.min() < 0:
            raise UserError(f"{name} are {labels.dtype} from {labels.min()}; int64 from 0 is needed")
    for name, labels in raw.attributes.items():
        if labels.max() >= len(raw.labels.get(name, ())):
            raise UserError(f"{name} holds {labels.max()}, but there are the words {raw.labels.get(name, [])}")
