"""A small trained model, its evaluation, and image files of a few people: what the commands are tried on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import write_record
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.deployment import Deployment
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.store import user_key

SIDE, PEOPLE = 24, ("alice", "bob", "carol", "dan")


def part(people: int, each: int, seed: int) -> Impressions:
    """Smooth random images, the same for a person but for noise."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    faces = rng.normal(0, 0.2, (people, 1, SIDE // 3, SIDE // 3)).repeat(3, 2).repeat(3, 3)
    images = np.clip(0.5 + faces[who] + rng.normal(0, 0.1, (len(who), 1, SIDE, SIDE)), 0, 1).astype(np.float32)
    return Impressions(images, who, np.tile(np.arange(each), people), {})


def dataset() -> Identities:
    test = part(40, 2, 3)
    parts = (part(40, 3, 1), part(10, 3, 2), test.subset(test.impressions == 0), test.subset(test.impressions == 1))
    return Identities(*parts, {}, [])


def trained(root: Path, scheme: TemplateScheme, data: Identities, fmr: float | None = 0.01) -> Path:
    """A model's folder as the stages leave it, with the evaluation beside it unless `fmr` is None."""
    folder = root / "train"
    folder.mkdir(parents=True)
    model = scheme.fit(data, np.random.default_rng(0))
    model.save(folder)
    if fmr is not None:
        (root / "evaluate").mkdir()
        found = Deployment([fmr], 5, 10).examine(model, data, Accelerator("cpu"), np.random.SeedSequence(0))
        write_record(root / "evaluate", {"deployment": found})
    return folder


@dataclass
class Desk:
    """Where the commands run."""

    root: Path

    @property
    def store(self) -> Path:
        return self.root / "people.store"

    def image(self, person: str, number: int = 0) -> Path:
        return self.root / f"{person}_{number}.png"

    def key(self, name: str) -> Path:
        """A key that is the same in every run."""
        path, secret = self.root / f"{name}.key", hashlib.sha256(name.encode()).digest()
        path.write_text(f"{user_key.MAGIC} {secret.hex()} {user_key.checksum(secret)}\n")
        return path


def desk(root: Path) -> Desk:
    """Three images of each of the people."""
    made, images = Desk(root), part(len(PEOPLE), 3, 9)
    for image, who, number in zip(images.images, images.identities, images.impressions, strict=True):
        Image.fromarray((image[0] * 255).astype(np.uint8)).save(made.image(PEOPLE[who], number))
    return made
