"""Saved models that are damaged or not what they say, met by stages and commands."""

from __future__ import annotations

import json
import random

from ..case import Case, Edit, Odd
from ..mutate import of_json, of_safetensors
from ..template import Bench
from .commands import CODES, STARTS, writes_of
from .words import EVIL, EXPERIMENTS, INJECTED

FOREIGN = (
    *(target for target, _ in INJECTED),
    "veilbench.bench.trained_model.TrainedModel",
    "veilbench.families.autoencoders.baselines.pca.Pca",
    "veilbench.families.ciphers.baselines.plaintext.Plaintext",
    "veilbench.bench.errors.UserError",
    "veilbench.bench.stages.Path",
    "veilbench",
    "",
    ".",
    "veilbench.",
    "veilbench..x",
    "veilbench.families.ciphers.modules.nope.Nope",
    "veilbench.bench.trained_model.load_trained_model",
    "veilbench.families.templates.schemes.base.TemplateScheme",
    "__main__.main",
    "veilbench.bench.findings.Findings",
    "\ud800",
)
COMMANDS = {
    "tiny_table": ("cipher encrypt", "cipher decrypt"),
    "tiny_mail": ("mail score",),
    "tiny_rows": ("autoencoder score",),
    "tiny_net": ("autoencoder restore",),
    "tiny_prints": ("template verify", "template enroll", "template identify"),
}
WRITES = {
    "cipher encrypt": ("out.veil",),
    "cipher decrypt": ("out.txt",),
    "template enroll": ("people.store", "people.store.lock"),
    "autoencoder score": ("scores.csv",),
    "autoencoder restore": ("restored", "restored/*"),
}


def make(rng: random.Random, bench: Bench) -> Case:
    """A trained model with one file changed, then what reads it."""
    name = rng.choice(list(EXPERIMENTS))
    folder = f"results/{name}/train"
    head, arrays, inputs = (f"{folder}/{file}" for file in ("model.json", "model.safetensors", "inputs.json"))
    files: dict[str, Edit] = {"evil.py": EVIL}
    way = rng.random()
    if way < 0.1:
        files[rng.choice((head, arrays))] = rng.choice(list(Odd))
    elif way < 0.3:
        files[head] = json.dumps(json.loads(bench.read(head)) | {"class": rng.choice(FOREIGN)}).encode()
    elif way < 0.36:
        other = rng.choice(list(EXPERIMENTS))
        files[arrays] = bench.read(f"results/{other}/train/model.safetensors")
    elif way < 0.6:
        files[head] = of_json(rng, bench.read(head))
    elif way < 0.7:
        files[inputs] = of_json(rng, bench.read(inputs))
    else:
        files[arrays] = of_safetensors(rng, bench.read(arrays))
    return _reader(rng, name, files)


def _reader(rng: random.Random, name: str, files: dict[str, Edit]) -> Case:
    commands = COMMANDS.get(name, ())
    if commands and rng.random() < 0.5:
        command = rng.choice(commands)
        words = STARTS[command]
        return Case(("veilbench", *command.split(), *words), files, WRITES.get(command, ()), CODES.get(command, (0,)))
    stage = rng.choice(("evaluate", "evaluate", "attack"))
    return Case((f"pipelines/{stage}.py", name), files, writes_of(stage, name))
