"""What commands write when they do what they were asked for, and words that several kinds share."""

from __future__ import annotations

import random

TRACKING = ("mlflow.db*", "mlartifacts", "mlartifacts/*")
RESOLVED = ("params", "params/*", "metrics_and_plots", "metrics_and_plots/*")
CONTROLS = ("results", "results/.controls", "results/.controls/*")
SWEEP = ("outputs", "outputs/*", "multirun", "multirun/*", *CONTROLS, *TRACKING)
STAGES = ("train", "evaluate", "attack")
EXPERIMENTS = {
    "tiny_table": "tiny_text",
    "tiny_net": "tiny_digits",
    "tiny_rows": "tiny_rows",
    "tiny_prints": "tiny_prints",
    "tiny_mail": "tiny_mail",
}
INJECTED = (  # what a `_target_` or a class name from elsewhere may try
    ("os.system", {"command": "touch CANARY"}),
    ("subprocess.run", {"args": ["touch", "CANARY"]}),
    ("subprocess.check_output", {"args": ["touch", "CANARY"]}),
    ("builtins.exec", {"source": "open('CANARY', 'w')"}),
    ("builtins.eval", {"source": "open('CANARY', 'w')"}),
    ("builtins.open", {"file": "CANARY", "mode": "w"}),
    ("os.makedirs", {"name": "CANARY"}),
    ("os.mkdir", {"path": "CANARY"}),
    ("pathlib.Path.touch", {"self": "CANARY"}),
    ("shutil.rmtree", {"path": "thesis"}),
    ("shutil.copy", {"src": "letter.txt", "dst": "CANARY"}),
    ("os.remove", {"path": "letter.txt"}),
    ("logging.FileHandler", {"filename": "CANARY"}),
    ("numpy.savetxt", {"fname": "CANARY", "X": [1]}),
    ("torch.save", {"obj": 1, "f": "CANARY"}),
    ("veilbench.bench.stages.os.system", {"command": "touch CANARY"}),
    ("veilbench.bench.stages.json.os.system", {"command": "touch CANARY"}),
    ("veilbench.bench.findings.shutil.rmtree", {"path": "thesis"}),
    ("veilbench.bench.findings.os.mkdir", {"path": "CANARY"}),
    ("veilbench.bench.lifeline.os.mkdir", {"path": "CANARY"}),
    ("veilbench.families.templates.store.user_key.create", {"path": "CANARY"}),
    ("veilbench.families.templates.store.user_key.create", {"file": "CANARY"}),
    ("veilbench.bench.findings.write_record", {"folder": "CANARY", "findings": {}}),
    ("veilbench.workflow.sweep.shutil.rmtree", {"path": "thesis"}),
    ("veilbench.workflow.sweep.withdraw", {"folder": "thesis"}),
    ("hydra.utils.instantiate", {"config": {"_target_": "os.mkdir", "path": "CANARY"}}),
    ("hydra.utils.get_method", {"path": "os.system"}),
    ("importlib.import_module", {"name": "antigravity"}),
    ("runpy.run_path", {"path_name": "evil.py"}),
    ("evil.now", {}),
    ("evil", {}),
    (".os.system", {"command": "touch CANARY"}),
    ("os..system", {"command": "touch CANARY"}),
)
EVIL = (
    b"import pathlib\n\npathlib.Path('CANARY').touch()\n\n\ndef now(**given):\n    pathlib.Path('CANARY_now').touch()\n"
)


def injected(rng: random.Random) -> dict[str, object]:
    """A node whose target is none of this bench's models."""
    target, arguments = rng.choice(INJECTED)
    return {"_target_": target, **arguments}
