"""Planted schemes, of which it is known that no attack may say that they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.templates.attacks.attribute import TemplateAttribute
from veilbench.families.templates.attacks.decoders import Decoders
from veilbench.families.templates.attacks.gradient_search import GradientSearch
from veilbench.families.templates.attacks.impersonation import ImpersonationSearch, TemplateImpersonation
from veilbench.families.templates.attacks.inversion import TemplateInversion
from veilbench.families.templates.attacks.linkage import TemplateLinkage
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.oracle import TemplateOracle
from veilbench.families.templates.attacks.oracle_search import EvolutionSearch
from veilbench.families.templates.attacks.query_counter import Queries
from veilbench.families.templates.attacks.recombination import OracleSearches, RecombinationSearch
from veilbench.families.templates.attacks.stolen_key import TemplateStolenKey
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.pca_template import PcaTemplate
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

PIXELS, PCA = ImageExtractor("pixels", None), ImageExtractor("pixels", 20)
SECRET = ThreatModel(weights=True, auxiliary_data=True, own_keys=True, score_queries=True)
STOLEN = ThreatModel(weights=True, key=True, auxiliary_data=True, own_keys=True, score_queries=True)
DECODERS, POINT = Decoders(["linear"], [100], steps=20), OperatingPoint([0.01], 0.01, 40)
ATTACKS = {
    "attribute": TemplateAttribute(
        SECRET, RawTemplate(PIXELS), NoiseTemplate(PIXELS), learners=["linear"],
        broken_threshold=0.7,  # with 40 victims, the interval of a guess reaches beyond 0.5
    ),
    "linkage": TemplateLinkage(SECRET, RawTemplate(PIXELS), NoiseTemplate(PIXELS), ["linear"], repeats=60),
    "inversion": TemplateInversion(
        ThreatModel(weights=True, auxiliary_data=True, own_keys=True),
        RawTemplate(PIXELS), NoiseTemplate(PIXELS), DECODERS, GradientSearch(10), POINT,
    ),
    "by_scores": TemplateInversion(SECRET, RandomProjection(PCA), None, DECODERS, GradientSearch(10), POINT),
    "known_key": TemplateInversion(STOLEN, RawTemplate(PIXELS), None, DECODERS, GradientSearch(10), POINT),
    "impersonation": TemplateImpersonation(
        STOLEN, RawTemplate(PCA), search=ImpersonationSearch(steps=5, queries=5), operating_point=POINT
    ),
    "oracle": TemplateOracle(
        SECRET, PcaTemplate(PCA), NoiseTemplate(PCA), "scores", Queries(60),
        OracleSearches(EvolutionSearch(10, 20), RecombinationSearch(10)), POINT,
    ),
    "stolen_key": TemplateStolenKey(STOLEN, RandomProjection(PCA, 20), None, 40, POINT),
}  # fmt: skip


class Constant(TemplateScheme):
    """Templates differ, and every two of them have the same match score."""

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return features.copy()

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.full(len(a), 0.5, np.float32)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.full((len(a), len(b)), 0.5, np.float32)


def examine(name: str, scheme: TemplateScheme, people: Identities, folder: Path) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    memory, seeds = ControlMemory(folder, None), np.random.SeedSequence(1)
    return ATTACKS[name].examine(fitted, people, Accelerator("cpu"), seeds, memory)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_decided_about_a_scheme_whose_score_is_constant(
    name: str, people: Identities, tmp_path: Path
) -> None:
    found = examine(name, Constant(PCA), people, tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason.startswith(f"{found.title}: nothing can be decided, because all match scores of 40 people are")


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in ("attribute", "linkage")])
def test_nothing_is_decided_where_the_threshold_is_infinite(name: str, people: Identities, tmp_path: Path) -> None:
    """Three bits have four scores, and more than 1 % of the strangers have the highest of them."""
    found = examine(name, Biohash(PCA, 3), people, tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    said = "nothing can be decided, because operating_point.reference_fmr=0.01 has no threshold: FMR 0.01 would reject"
    assert found.reason.startswith(f"{found.title}: {said} everybody, because the highest of 4 distinct scores is")


@pytest.mark.parametrize("name", ATTACKS)
def test_an_encoder_that_copies_pixels_holds_nowhere(name: str, people: Identities, tmp_path: Path) -> None:
    found = examine(name, RawTemplate(PIXELS), people, tmp_path)
    assert found.verdict is not Verdict.HOLDS
    if name not in ("oracle",):  # its search has 60 queries only
        assert found.verdict in (Verdict.BROKEN, Verdict.LEAKS), found.reason
