"""An attack that guesses the coarse look of a victim's image from the template."""

import numpy as np
from sklearn.linear_model import Ridge

from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates import Identities, TemplateAttack, TemplateScheme
from veilbench.metrics.intervals import above_chance, bounded_mean


class CoarseImage(TemplateAttack):
    """Learns, from the attacker's own images, which cells of an image are brighter than its mean.

    The gain is the share of cells that is right, above the share that the commonest answer for each cell gets.

    Args:
        threat: threat model; needs `ciphertext` and `auxiliary_data`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        cells: number of cells along each side of an image.
        broken_threshold: gain from which the verdict is `broken`.
    """

    title = "Coarse image from a template"
    threat_needs = ("ciphertext", "auxiliary_data")

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        cells: int = 6,
        broken_threshold: float = 0.3,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.cells = cells

    def attack(self, findings: Findings, target: TemplateScheme, data: Identities, accelerator, rng, control) -> None:
        """Fit a ridge regression to the attacker's own images, and guess those of the victims."""
        own, victims = data.auxiliary, data.enrolment
        templates = [target.enroll(p.images, rng.integers(2**63, size=len(p), dtype=np.uint64)) for p in (own, victims)]
        bright = [self._bright_cells(part.images) for part in (own, victims)]
        guess = Ridge(1.0).fit(templates[0], bright[0]).predict(templates[1]) > 0.5
        commonest = bright[0].mean(0) > 0.5
        right, chance = ((answer == bright[1]).mean(1) for answer in (guess, commonest))
        findings.gain = above_chance(bounded_mean(right, CONFIDENCE, of="victims"), float(chance.mean()))
        findings.metrics["right_cells"] = bounded_mean(right, of="victims")

    def _bright_cells(self, images: np.ndarray) -> np.ndarray:
        """Return which cells are brighter than their image's mean, shape (n, cells ** 2), bool."""
        edge = images.shape[2] // self.cells
        cut = images[:, 0, : edge * self.cells, : edge * self.cells].reshape(-1, self.cells, edge, self.cells, edge)
        means = cut.mean((2, 4)).reshape(len(images), -1)
        return means > means.mean(1, keepdims=True)
