"""Identify real prints by two encoders, raw pixels and principal components, averaged over the draws of the samples.

    python benchmarks/real_prints.py [--seeds 3] [--centred core image] [--validation]

Five fingers are tested, so that one draw of the known samples says little. Prints one line per crop, method and seed:
the share of the other impressions whose nearest sample (by cosine) is of the right finger, from one and from five known
samples of each finger, in per cent, averaged over 200 draws; and the EER of all pairs. The encoders are that of
`hashmap_fvc`, one for each seed, and that of `ridge_template`, which comes with the package. These and the principal
components are trained on generated prints; the split of the real ones is that of `data.seed=0`. With `--validation` the
fingers are the auxiliary ones: settings are chosen there.
"""

from __future__ import annotations

import argparse

import numpy as np

from score_oracle import prepare_data, train
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import cosine_similarity
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.metrics.biometric import equal_error_rate, error_rates
from veilbench.workflow.compose import composed, plain

DRAWS, KNOWN = 200, (1, 5)


def identify(scores: np.ndarray, people: np.ndarray, known: int, rng: np.random.Generator) -> float:
    """Return the mean share of impressions whose nearest known sample is of the right finger.

    Args:
        scores: similarities of all impressions, shape (n, n).
        people: finger of each impression, shape (n,).
        known: number of known samples of each finger.
        rng: source of the draws.
    """
    shares = []
    for _ in range(DRAWS):
        samples = [rng.permutation(np.flatnonzero(people == person))[:known] for person in np.unique(people)]
        rows = np.concatenate(samples)
        rest = np.setdiff1d(np.arange(len(people)), rows)
        nearest = rows[scores[np.ix_(rest, rows)].argmax(1)]
        shares.append((people[nearest] == people[rest]).mean())
    return float(np.mean(shares))


def report(name: str, features: np.ndarray, people: np.ndarray) -> None:
    """Print how well features, shape (n, d), tell people apart."""
    first, second = np.triu_indices(len(people), 1)
    mated = people[first] == people[second]
    pairs = cosine_similarity(features[first], features[second])
    scores = np.zeros((len(people), len(people)))
    scores[first, second] = scores[second, first] = pairs
    shares = [100 * identify(scores, people, known, np.random.default_rng(0)) for known in KNOWN]
    eer = 100 * equal_error_rate(error_rates(pairs, mated))
    print(f"{name}: from one sample {shares[0]:.1f}, from five {shares[1]:.1f}, EER {eer:.1f}", flush=True)


def take_fingers(data: Identities, validation: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, shape (n, 1, h, w), and the fingers, shape (n,), that are tested."""
    parts = [data.auxiliary] if validation else [data.enrolment, data.probe]
    return np.concatenate([part.images for part in parts]), np.concatenate([part.identities for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--centred", nargs="*", default=["core", "image"])
    parser.add_argument("--validation", action="store_true")
    arguments = parser.parse_args()
    for centred in arguments.centred:
        config = plain(composed(["experiment=hashmap_fvc", f"data.centred={centred}"]))
        data = prepare_data(config["data"], 0)
        images, people = take_fingers(data, arguments.validation)
        components = ImageExtractor("pixels", 128).fit(data.train.images, np.random.default_rng(0))
        report(f"{centred}, raw pixels", ImageExtractor("pixels", None)(images), people)
        report(f"{centred}, principal components", components(images), people)
        report(f"{centred}, ridge directions", ImageExtractor("orientation", None)(images), people)
        included = plain(composed(["experiment=ridge_template", "data=fvc_transferred"]))
        report(f"{centred}, ridge_template", train(included, data, 0).features(images), people)
        for seed in range(arguments.seeds):
            report(f"{centred}, hashmap, seed {seed}", train(config, data, seed).features(images), people)


if __name__ == "__main__":
    main()
