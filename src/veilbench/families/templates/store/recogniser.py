"""A deployed model: its scheme, image size and decision thresholds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.templates.data.identities import EmbeddedIdentities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.store.fingerprint import fingerprint
from veilbench.families.templates.store.packing import Packing
from veilbench.families.templates.store.template_store import NO_KEY
from veilbench.families.templates.store.user_key import UserKey

EVALUATION, TABLE, MODEL = "deployment", "Deployment", "model"  # names in the evaluation's findings
THRESHOLD = "threshold_at_"


@dataclass(frozen=True)
class Threshold:
    """A decision threshold.

    Attributes:
        value: similarity from which a probe is accepted.
        source: description of where the value comes from, for messages.
        fmr: false match rate that the threshold was calibrated for; None if the user set the threshold.
    """

    value: float
    source: str
    fmr: float | None = None


@dataclass(frozen=True)
class Recogniser:
    """A trained scheme with the results of its evaluation `deployment`.

    Attributes:
        scheme: scheme that makes and compares templates.
        folder: folder that the model was read from.
        fingerprint: fingerprint of the scheme.
        size: height and width of its images; None if no evaluation reports them.
        thresholds: maps a false match rate to a similarity threshold.
        unknown: reason why there are no thresholds; empty if there are.
    """

    scheme: TemplateScheme
    folder: Path
    fingerprint: str
    size: tuple[int, int] | None = None
    thresholds: dict[float, float] = field(default_factory=dict)
    unknown: str = ""

    def key_name(self, key: UserKey | None, store: str) -> str:
        """Return the fingerprint that identifies the key in a store; `NO_KEY` for a scheme without keys.

        Args:
            key: the user's key, or None.
            store: name of the store.

        Raises:
            UserError: the scheme needs a key but none is given, or a key is given but the scheme has none.
        """
        kind = type(self.scheme).__name__
        if self.scheme.keyed and key is None:
            raise UserError(f"{kind} needs the user's key: --key FILE, which `veilbench template key FILE` makes")
        if not self.scheme.keyed and key is not None:
            raise UserError(f"{kind} has no key, and its templates cannot be renewed: leave --key out")
        return NO_KEY if key is None else key.fingerprint(store)

    def make_templates(self, images: np.ndarray, key: UserKey | None) -> tuple[Packing, np.ndarray]:
        """Make templates of images, shape (n, 1, h, w); return their storage format and the stored rows."""
        number = np.uint64(0) if key is None else key.number()
        templates = self.scheme.enroll(images, np.full(len(images), number, np.uint64))
        packing = Packing.of(self.scheme, templates)
        return packing, packing.pack(templates)

    def threshold(self, given: float | None, fmr: float) -> Threshold:
        """Return the decision threshold.

        Args:
            given: threshold set by the user; None looks it up.
            fmr: false match rate whose threshold to look up.

        Raises:
            UserError: no threshold is given, and none is known.
        """
        if given is not None:
            return Threshold(given, "given")
        if fmr not in self.thresholds:
            known = ", ".join(f"{rate:g}" for rate in sorted(self.thresholds)) or "none"
            reason = self.unknown or f"the evaluation has thresholds at FMR: {known}"
            raise UserError(f"no threshold is known at FMR {fmr:g}: {reason}; give one with --threshold")
        known = ", keys stolen" if self.scheme.keyed else ""
        return Threshold(self.thresholds[fmr], f"FMR {fmr:g} of the evaluation{known}", fmr)


def load(folder: Path) -> Recogniser:
    """Read the model in a folder, and its evaluation in the neighbouring folder `evaluate`.

    Raises:
        UserError: the folder holds no model that makes templates of images.
    """
    scheme = load_trained_model(folder)
    if not isinstance(scheme, TemplateScheme):
        raise UserError(f"{folder} holds a {type(scheme).__name__}, which makes no templates")
    if issubclass(scheme.data_kind, EmbeddedIdentities):
        raise UserError(f"{folder} holds a model of embeddings, and a store takes images: bring the encoder as well")
    scheme.refresh(np.random.default_rng())
    model_fingerprint = fingerprint(scheme)
    findings_path = Path(folder).resolve().parent / "evaluate" / "findings.json"
    try:
        evaluation = json.loads(findings_path.read_text(encoding="utf8"))[EVALUATION]
        evaluated = _rows(evaluation)[MODEL]
        metrics = {name: float(metric["value"]) for name, metric in evaluation["metrics"].items()}
        size = int(metrics["image_height"]), int(metrics["image_width"])
    except OSError:
        return Recogniser(scheme, folder, model_fingerprint, unknown=f"there is no {findings_path}")
    except (KeyError, TypeError, ValueError):
        return Recogniser(
            scheme, folder, model_fingerprint, unknown=f"{findings_path} has no whole evaluation `{EVALUATION}`"
        )
    if evaluated != model_fingerprint:
        return Recogniser(
            scheme,
            folder,
            model_fingerprint,
            unknown=f"{findings_path} is of another model ({evaluated}, this one is {model_fingerprint})",
        )
    threshold_metrics = {name: value for name, value in metrics.items() if name.startswith(THRESHOLD)}
    thresholds = {float(name.removeprefix(THRESHOLD)): value for name, value in threshold_metrics.items()}
    return Recogniser(scheme, folder, model_fingerprint, size, thresholds)


def _rows(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return the evaluation's table as a mapping from names to values."""
    rows = next(table["rows"] for table in evaluation["tables"] if table["title"] == TABLE)
    return {row[0]: row[1] for row in rows}
