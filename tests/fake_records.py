"""Records as the stages write them, made up: what the report's tests read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from veilbench.bench.findings import Control, Curve, Figure, Findings, Metric, write_record
from veilbench.bench.provenance import sign
from veilbench.bench.rule import judge

BOOTSTRAP = "bootstrap over texts, 95 %"
FLAGS = ("ciphertext", "public_ids", "known_pairs", "encryption_queries", "weights", "key", "own_keys")
GRANTED = {
    "frequency": ("ciphertext", "public_ids"),
    "known_plaintext": ("ciphertext", "public_ids", "known_pairs"),
    "chosen_plaintext": ("ciphertext", "public_ids", "encryption_queries"),
    "fresh_eve": ("ciphertext", "public_ids", "own_keys"),
    "key_sensitivity": ("ciphertext", "weights", "own_keys"),
}
# What each attack wins on each kind of scheme.
GAINS = {
    "plaintext": dict.fromkeys(GRANTED, 1.0),
    "cipher_small": dict(zip(GRANTED, (0.991, 0.97, 1.0, 0.12, 0.03), strict=True)),
    "cipher_ensemble": dict(zip(GRANTED, (0.44, 0.96, 1.0, 0.0, 0.0), strict=True)),
    "aes_ctr": dict.fromkeys(GRANTED, 0.0),
    "one_time_pad": dict.fromkeys(GRANTED, 0.0),
}


def around(value: float, width: float = 0.012, n: int = 20, interval: str = BOOTSTRAP) -> Metric:
    """An estimate with an interval; at zero the interval includes chance."""
    return Metric(value, value - width, min(1.0, value + width) if value <= 1 else value + width, n, interval)


def config(name: str, seed: int = 0, family: str | None = "ciphers") -> dict[str, Any]:
    names = {"experiment": name, "data": "text", "model": name, "training": "central"}
    return {
        "names": {**names, **({"family": family} if family else {})},
        "seed": seed,
        "objective": None,
        "data": {"_target_": "veilbench.families.ciphers.data.text.TextData", "words": [1000, 1500], "seed": 0},
        "model": {"_target_": "veilbench.families.ciphers.modules.cipher_pair.CipherPair", "code_bits": 32},
        "tracking": {"_target_": "veilbench.bench.tracking.Mlflow", "uri": None, "experiment": "veilbench"},
        "attack": {},
        "digests": {"prepare": "89ab", "train": "0123456789abcdef", "evaluate": "4567", "attack": "cdef"},
    }


def training(steps: int = 40) -> Findings:
    x = [25 * (i + 1) for i in range(steps)]
    loss = Curve("loss", x, [0.3 * math.exp(-i / 12) + 0.004 for i in range(steps)])
    right = Curve("characters right", x, [1 / (1 + math.exp(8 - i / 2)) for i in range(steps)])
    figures = [
        Figure("Training: loss", "optimizer steps", "loss", [loss], log_y=True),
        Figure("Training: characters right", "optimizer steps", "characters right", [right]),
    ]
    metrics = {"steps": Metric.exact(x[-1]), "loss": Metric.exact(loss.y[-1])}
    return Findings("Training", metrics, figures, cost={"seconds": 2.4})


def evaluation(size: float) -> dict[str, Findings]:
    metrics = {
        "round_trip_english": Metric(1.0, 0.99982, 1.0, 20_000, "Clopper-Pearson 95 %", "share"),
        "bytes_per_character": Metric.exact(size),
        "bit_error_rate": Metric(0.0, 0.0, 0.000724, 5096, "Clopper-Pearson 95 %", "share"),
    }
    rates = {"encrypt_characters_per_second": 2.1e6 * size, "decrypt_characters_per_second": 5.4e5 / size}
    fidelity = Findings("Fidelity", metrics, cost={"seconds": 1.9})
    return {"fidelity": fidelity, "speed": Findings("Speed", cost={**rates, "seconds": 0.6})}


def figure(title: str, x_label: str, gain: float) -> Figure:
    """Recovery against what the attacker has, with both controls."""
    x = [100, 300, 1000, 3000, 10_000]
    rise = [1 - math.exp(-n / 900) for n in x]

    def curve(name: str, top: float) -> Curve:
        y = [0.03 + 0.97 * top * share for share in rise]
        return Curve(name, x, y, [max(0.0, v - 0.05) for v in y], [min(1.0, v + 0.05) for v in y])

    curves = [curve("model", gain), curve("plain substitution", 0.99), curve("one-time pad", 0.0)]
    controls = ["plain substitution", "one-time pad"]
    return Figure(title, x_label, "characters recovered", curves, log_x=True, control_curves=controls)


def advantage(gain: float) -> Figure:
    curves = [
        Curve("model", [1], [gain], [gain - 0.05], [gain + 0.05]),
        Curve("one-time pad", [2], [0.0], [-0.03], [0.03]),
    ]
    return Figure("Advantage", "target", "advantage over guessing", curves, control_curves=["one-time pad"])


def attack(name: str, gain: float, failed_control: bool = False) -> Findings:
    ours, positive, negative = around(gain), around(0.4 if failed_control else 0.98), around(0.0)
    controls = [
        Control("positive", "plain substitution", positive, not failed_control),
        Control("negative", "one-time pad", negative, True),
    ]
    ruling = judge(ours, controls, 0.9)
    by_size = name in ("frequency", "known_plaintext")
    drawn = figure(f"{name}: recovery", "ciphertext characters", gain) if by_size else advantage(gain)
    return Findings(
        name.replace("_", " ").capitalize(),
        {"recovery": around(0.03 + 0.97 * gain), "bits_left": Metric.exact(round(6.5 * (1 - gain), 3))},
        [drawn],
        ["20 texts of 10,000 characters, none of them seen in training."],
        ruling.verdict,
        ruling.reason,
        gain=ours,
        controls=controls,
        threat={flag: flag in GRANTED[name] for flag in FLAGS},
        cost={"seconds": 12.5, "keys_per_second": 41_000.0},
    )


def attacks(scheme: str, failed: str = "") -> dict[str, Findings]:
    return {name: attack(name, gain, name == failed) for name, gain in GAINS[scheme].items()}


def put(root: Path, name: str, found: dict[str, dict[str, Findings]], settings: dict[str, Any] | None = None) -> None:
    """Write one experiment's configuration and its three records below `root`."""
    params = root / "params"
    params.mkdir(parents=True, exist_ok=True)
    settings = settings or config(name)
    (params / f"{name}.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf8")
    for stage in ("train", "evaluate", "attack"):
        folder = root / "results" / name / stage
        folder.mkdir(parents=True)
        write_record(folder, found.get(stage, {}))
        sign(folder, stage, settings)


def bench(root: Path) -> list[str]:
    """Five attacked experiments, one with a failed control, and one that nobody attacked."""
    sizes = {
        "plaintext": 1.0,
        "cipher_small": 4.0,
        "cipher_ensemble": 6.49905,
        "aes_ctr": 1.0008,
        "one_time_pad": 1.0,
    }
    for name, size in sizes.items():
        failed = "fresh_eve" if name == "aes_ctr" else ""
        found = {
            "train": {"training": training()},
            "evaluate": evaluation(size),
            "attack": attacks(name, failed),
        }
        put(root, name, found)
    put(root, "cipher_joint", {"train": {"training": training(400)}, "evaluate": evaluation(12.0)})
    return [*sizes, "cipher_joint"]
