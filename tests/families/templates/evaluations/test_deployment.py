"""What deployment takes: thresholds against a loop, bytes, and keys that are fewer than they seem."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.deployment import Deployment
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.store.fingerprint import fingerprint


class FewKeys(Biohash):
    """A key that chooses one of three matrices."""

    def matrix(self, width: int, rng: np.random.Generator) -> np.ndarray:
        return super().matrix(width, np.random.default_rng(int(rng.integers(3))))


@pytest.fixture(scope="module")
def data() -> Identities:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 3)
    faces = rng.random((40, 1, 8, 10))
    images = np.clip(faces[who] + rng.normal(0, 0.2, (120, 1, 8, 10)), 0, 1).astype(np.float32)
    everyone = Impressions(images, who, np.tile(np.arange(3), 40), {})
    enrolment, probe = everyone.subset(everyone.impressions == 0), everyone.subset(everyone.impressions > 0)
    return Identities(everyone, everyone, enrolment, probe, {}, [])


def examined(scheme: TemplateScheme, data: Identities) -> Findings:
    return Deployment([0.01, 0.0001], 50, 20).examine(scheme, data, Accelerator("cpu"), np.random.SeedSequence(7))


def test_a_threshold_is_the_lowest_that_few_enough_strangers_reach(data: Identities) -> None:
    scheme = Biohash(ImageExtractor("pixels", None), 40).fit(data, np.random.default_rng(0))
    found = examined(scheme, data)
    threshold = found.metrics["threshold_at_0.01"]
    assert threshold.low <= threshold.value <= threshold.high
    assert threshold.unit == ""
    keys = draw_user_keys(data.enrolment.identities, np.random.default_rng(np.random.SeedSequence(7)))
    strangers: list[float] = []
    for own, person, key in zip(data.enrolment.images, data.enrolment.identities, keys, strict=True):
        (template,) = scheme.enroll(own[None], key[None])
        others = data.probe.images[data.probe.identities != person]
        made = scheme.enroll(others, np.full(len(others), key))
        strangers += [float((probe == template).mean()) for probe in made]
    assert len(strangers) == 40 * 78
    assert np.mean(np.array(strangers) >= threshold.value - 1e-6) <= 0.01
    lower = max(score for score in strangers if score < threshold.value - 1e-6)
    assert np.mean(np.array(strangers) >= lower - 1e-6) > 0.01
    assert "threshold_at_0.0001" not in found.metrics
    assert "FMR 0.0001 needs 100,000 comparisons" in found.notes[0]


@pytest.mark.parametrize(
    ("scheme", "size", "key_bits", "different"),
    [
        (RawTemplate(ImageExtractor("pixels", None)), 4 * 80, 0, 1),
        (Biohash(ImageExtractor("pixels", None), 60), 8, 64, 50),
        (IomGrp(ImageExtractor("pixels", None), 30, 8), 30, 64, 50),
        (FewKeys(ImageExtractor("pixels", None), 60), 8, 64, 3),
    ],
)
def test_what_is_stored(scheme: TemplateScheme, size: int, key_bits: int, different: int, data: Identities) -> None:
    found = examined(scheme.fit(data, np.random.default_rng(0)), data)
    values = {name: metric.value for name, metric in found.metrics.items()}
    assert values["template_bytes"] == size
    assert values["key_bits"] == key_bits
    assert values["different_templates"] == different
    assert (values["image_height"], values["image_width"]) == (8, 10)
    assert found.tables[0].rows == [["model", fingerprint(scheme.fit(data, np.random.default_rng(0)))]]
    assert min(found.cost.values()) > 0
    assert set(found.cost) == {"templates_per_second", "comparisons_per_second"}


def test_the_same_seed_gives_the_same_metrics(data: Identities) -> None:
    scheme = RawTemplate(ImageExtractor("pixels", None)).fit(data, np.random.default_rng(0))
    assert examined(scheme, data).as_dict() == examined(scheme, data).as_dict()
