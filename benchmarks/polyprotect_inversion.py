"""Invert PolyProtect under known keys, for each overlap of its sets, by four attackers.

    python benchmarks/polyprotect_inversion.py [--overlaps 0 1 2 3 4] [--seeds 3] [--validation]

The data are `prints_small` of each seed; keys and attackers have the same seed. Prints one line per overlap and
attacker: mean [range over the seeds], in per cent of 60 victims, of

- `sar`: features accepted under the victim's key; `prar`: under a new key;
- `isr`: features accepted by a system that stores the features without protection; each at FMR 1 % and 0.1 %;
- `likeness`: cosine with the true features; `ms`: CPU time of a victim.

The attackers: `regression` from the auxiliary people's templates under the key; `levenberg`, which starts there and
only lowers the error; `cosine`, the published inversion; `likeliest`, which starts at the regression too; `preimage`,
which `template_stolen_key` uses and which picks one of `levenberg` and `likeliest`; `stranger`, the negative control,
is `preimage` on the next victim's template. With `--validation` the victims are the auxiliary people, and the training
people are the attacker's: settings are chosen there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from score_oracle import prepare_data, take_validation_people, train
from veilbench.families.templates.attacks.nonlinear_preimages import find_cosine_preimage, find_likely_preimage
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.preimages import find_preimage, refine_by_levenberg
from veilbench.families.templates.attacks.prior import Prior
from veilbench.families.templates.attacks.stolen_key import GUESSES
from veilbench.families.templates.attacks.system import TemplateSystem, disclose_features, enrol_victims
from veilbench.families.templates.attacks.template_features import features_under_key
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import cosine_similarity
from veilbench.families.templates.schemes.polyprotect import Polyprotect
from veilbench.workflow.compose import composed, plain

DRAWN, VICTIMS, FMRS = 300, 60, (0.01, 0.001)
Attacker = Callable[[np.ndarray, np.uint64], np.ndarray]  # template, key -> features


def list_attackers(scheme: Polyprotect, data: Identities, rng: np.random.Generator) -> dict[str, Attacker]:
    """Return the attackers by name, each with the same auxiliary people."""
    own = scheme.features(data.auxiliary.samples)
    prior, guesses = Prior(own), own[rng.permutation(len(own))[:GUESSES]]
    samples = rng.permutation(np.concatenate([own, prior.sample(DRAWN, rng)]))

    def regress(template: np.ndarray, key: np.uint64) -> np.ndarray:
        return features_under_key(scheme, key, samples, template[None])[0]

    return {
        "regression": regress,
        "levenberg": lambda t, key: refine_by_levenberg(scheme, t, key, regress(t, key).astype(np.float64)),
        "cosine": lambda t, key: find_cosine_preimage(scheme, t, key, guesses),
        "likeliest": lambda t, key: find_likely_preimage(scheme, t, key, prior, regress(t, key)),
        "preimage": lambda t, key: find_preimage(scheme, t, key, prior, samples)[0],
    }


def measure(system: TemplateSystem, data: Identities, seed: int) -> dict[str, dict[str, float]]:
    """Return each attacker's rates."""
    scheme, rng = system.scheme, np.random.default_rng(seed)
    assert isinstance(scheme, Polyprotect)
    systems = {"sar": system, "prar": system.renew_keys(rng), "isr": disclose_features(system, data, rng)}
    truth, rates = scheme.features(system.victims.samples), dict[str, dict[str, float]]()
    attackers = list_attackers(scheme, data, rng)
    for name, invert in attackers.items() | {("stranger", attackers["preimage"])}:
        seen = system.show_strangers() if name == "stranger" else system
        started = time.process_time()
        made = np.stack([invert(t, key) for t, key in zip(seen.templates, seen.keys, strict=True)]).astype(np.float32)
        spent = time.process_time() - started
        rates[name] = {
            f"{rate} {100 * fmr:g} %": 100 * float(one.accepts_features(made, fmr).mean())
            for rate, one in systems.items()
            for fmr in FMRS
            if fmr in one.thresholds
        }
        rates[name] |= {
            "likeness": float(cosine_similarity(made, truth).mean()),
            "ms": 1e3 * spent / len(made),
        }
    return rates


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--overlaps", type=int, nargs="*", default=range(5))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--validation", action="store_true")
    arguments = parser.parse_args()
    node = plain(composed(["experiment=polyprotect"]))["data"]
    people = [prepare_data({**node, "source": node["source"] | {"seed": s}}, s) for s in range(arguments.seeds)]
    people = [take_validation_people(data) if arguments.validation else data for data in people]
    for overlap in arguments.overlaps:
        found = []
        for seed, data in enumerate(people):
            scheme = train(plain(composed(["experiment=polyprotect", f"model.overlap={overlap}"])), data, seed)
            point = OperatingPoint(FMRS, most_victims=VICTIMS)
            found.append(measure(enrol_victims(scheme, data, point, np.random.default_rng(seed)), data, seed))
        for name in ("regression", "levenberg", "cosine", "likeliest", "preimage", "stranger"):
            cells = [f"overlap {overlap}", f"{name:<10}"]
            for key in found[0][name]:
                values = [one[name][key] for one in found if key in one[name]]
                digits = 2 if key == "likeness" else 0
                low, mean, high = (f"{v:.{digits}f}" for v in (min(values), np.mean(values), max(values)))
                cells.append(f"{key} {mean} [{low}, {high}]")
            print(" | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
