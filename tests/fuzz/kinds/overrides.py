"""Words on the command line of a sweep: Hydra's overrides, right, nearly right and hostile."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from ..case import Case, Edit
from ..mutate import ODD_VALUES, misspelt
from ..template import Bench
from .words import EVIL, EXPERIMENTS, SWEEP, injected

WORDS = (
    "''", '""', "null", "true", "nan", "inf", "-inf", "-0", "1e400", "0x10", "1_000", "1.5", "-1", "???", "[", "]",
    "{", "}", "[1,", "{a:1", "{a:}", "[[[1]]]", "'a", 'a"', "a b", "a=b", "a:b", "a,b", "1,2", "[1,2],[3]",
    "choice(1,2)", "choice()", "range(0)", "range(3)", "range(1,0)", "range(5,1,-2)", "glob(*)",
    "glob([a*],exclude=b)", "interval(0,1)", "sort(3,1)", "shuffle(1,2)", "tag(a,choice(1))", "cast(1)", "int('x')",
    "str(1)", "float(1)", "json_str(1)", "extend_list(1)", "${seed}", "${nope}", "${model}", "${oc.env:HOME}",
    "${oc.env:NOPE}", "${oc.decode:'['}", "${oc.create:{a:1}}", "${now:%Y}", "${hydra:runtime.cwd}", "${", "$",
    "${.}", "${..seed}", "${data.seed}", "\\", "\\,", "é", "\U0001f4a9", "\udcff", "a" * 5000, "9" * 400, "[" * 300,
    "/", "..", ".", "~", "/dev/null", "*", "@", "#", "%", "!", "1;2", "`x`",
)  # fmt: skip
FLAGS = (
    "--help", "--hydra-help", "--version", "--cfg", "--cfg=job", "--resolve", "--info", "--info=all", "--run",
    "--nope", "--config-name=nope", "--config-name=data/text", "--config-path=/nonesuch", "--config-dir=/nonesuch",
    "--config-dir=conf", "--package=model", "--shell-completion", "-x", "--", "-", "-c", "-p",
    "--experimental-rerun=x", "--multirun=1",
)  # fmt: skip
HYDRA = (
    "hydra.run.dir=.", "hydra.run.dir=..", "hydra.run.dir=../..", "hydra.run.dir=thesis", "hydra.run.dir=letter.txt",
    "hydra.run.dir=''", "hydra.run.dir=null", "hydra.run.dir=[1]", "hydra.run.dir=outputs/mine/earlier",
    "hydra.run.dir=results/tiny_net", "hydra.run.dir=prepared", "hydra.run.dir=../photos",
    "hydra.run.dir=outputs/${seed}", "hydra.run.dir=letter.txt/x", "hydra.run.dir=/proc/veilbench",
    "hydra.run.dir=/dev/null", "hydra.run.dir=conf", "hydra.run.dir=outputs/new/one", "hydra.sweep.dir=multirun/old",
    "hydra.sweep.dir=.", "hydra.sweep.dir=..", "hydra.sweep.subdir=.", "hydra.sweep.subdir=..",
    "hydra.sweep.subdir=same", "hydra.sweep.subdir=${seed}", "hydra.sweep.dir=letter.txt", "hydra.mode=MULTIRUN",
    "hydra.mode=nope", "hydra.output_subdir=null", "hydra.output_subdir=..", "hydra.output_subdir=train",
    "hydra.job.chdir=true", "hydra.job.name=x/y", "hydra.job.name=é", "hydra.verbose=true", "hydra.verbose=[nope]",
    "hydra/launcher=nope", "hydra/sweeper=nope", "hydra.launcher.n_jobs=0", "hydra.job.num=-1",
    "hydra.searchpath=[file:///nonesuch]", "hydra.searchpath=nope", "hydra/job_logging=none",
    "hydra/job_logging=disabled", "hydra/hydra_logging=none", "hydra.job.env_set.A=1", "hydra.job.env_copy=[NOPE]",
    "hydra.sweeper.max_batch_size=0", "hydra.sweeper.params={seed:'1,2'}", "hydra.nope=1", "~hydra.run.dir", "~hydra",
    "hydra=null", "hydra.job.config.override_dirname.kv_sep=1", "hydra.runtime.choices.model=x", "+hydra.x.y=1",
    "hydra.overrides.task=[seed=1]", "sweep=nope", "sweep=hardening", "sweep=autoencoder_grid", "sweep=null",
)  # fmt: skip
MULTIRUN = (
    "seed=range(0)", "seed=range(2)", "seed=0,1", "seed=", "seed=1,x", "seed=-1,0", "seed=choice(0,1)", "seed=0,0",
    "tracking=none,nope", "seed=range(0,3,0)", "seed=1,2,[", "experiment=tiny_table,nope", "seed=interval(0,1)",
)  # fmt: skip


def make(rng: random.Random, bench: Bench) -> Case:
    """A sweep with one to three odd words."""
    experiment = rng.choice(list(EXPERIMENTS))
    words = [f"experiment={experiment}"]
    if rng.random() < 0.9:
        words.append("tracking=none")
    ways = rng.choices(_WAYS, _WEIGHTS, k=rng.choices((1, 2, 3), (70, 22, 8))[0])
    words += [way(rng, bench, experiment) for way in ways]
    if rng.random() < 0.05:
        rng.shuffle(words)
    if rng.random() < 0.03:
        del words[0]
    if _many in ways or rng.random() < 0.05:
        words.insert(rng.choice((0, 0, 0, len(words))), rng.choice(("-m", "--multirun")))
    files: dict[str, Edit] = {"evil.py": EVIL} if any("evil" in word for word in words) else {}
    return Case(("pipelines/sweep.py", *words), files, SWEEP)


def value(rng: random.Random) -> str:
    """A value as it is written on the command line: of another type, of another size, or in odd grammar."""
    if rng.random() < 0.5:
        return rng.choice(WORDS)
    return said(rng.choice(ODD_VALUES))


def said(node: Any) -> str:
    """A plain value in Hydra's grammar."""
    if isinstance(node, dict):
        return "{" + ",".join(f"{key}:{said(child)}" for key, child in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(said, node)) + "]"
    if node is None or isinstance(node, bool):
        return json.dumps(node)
    if isinstance(node, str) and not node.isidentifier() and "$" not in node:
        return "'" + node.replace("'", "\\'").encode("utf8", "replace").decode("utf8") + "'"
    return str(node)


def _key(rng: random.Random, bench: Bench, experiment: str) -> str:
    return rng.choice(sorted(bench.settings(experiment)))


def _setting(rng: random.Random, bench: Bench, experiment: str) -> str:
    mark = rng.choice(("", "", "", "", "+", "++"))
    return f"{mark}{_key(rng, bench, experiment)}={value(rng)}"


def _near(rng: random.Random, bench: Bench, experiment: str) -> str:
    parts = _key(rng, bench, experiment).split(".")
    place = rng.randrange(len(parts))
    parts[place] = misspelt(rng, parts[place])
    return f"{rng.choice(('', '+', '++', '~'))}{'.'.join(parts)}={rng.choice(('1', value(rng)))}"


def _without(rng: random.Random, bench: Bench, experiment: str) -> str:
    key = rng.choice((_key(rng, bench, experiment), rng.choice(sorted(bench.groups)), "seed", "data", "model"))
    return f"~{key}" + rng.choice(("", "", "=1", "=null", "="))


def _choice(rng: random.Random, bench: Bench, experiment: str) -> str:
    """Another choice of a group, which need not suit the experiment; none that would only take long."""
    group = rng.choice(sorted(bench.groups))
    name = rng.choice(bench.groups[group] or ["x"])
    if group in ("experiment", "search"):
        name = rng.choice(
            (*EXPERIMENTS, misspelt(rng, name), f"../experiment/{experiment}", "base/autoencoder", "/etc/passwd")
        )
    elif rng.random() < 0.3:
        name = rng.choice((misspelt(rng, name), f"base/{name}", f"../model/{name}", value(rng)))
    if group in ("attack", "evaluation") and rng.random() < 0.7:
        name = f"[{','.join([name] * rng.choice((1, 1, 2)))}]"
    return f"{rng.choice(('', '', '', '+', '++'))}{group}{rng.choice(('', '', '', '@model', '@', '@:'))}={name}"


def _hydra(rng: random.Random, bench: Bench, experiment: str) -> str:
    word = rng.choice(HYDRA)
    return word if rng.random() < 0.9 else word.partition("=")[0] + "=" + value(rng)


def _folder_then_refused(rng: random.Random, bench: Bench, experiment: str) -> str:
    """A run folder that holds something; the other words may well be refused."""
    return rng.choice([word for word in HYDRA if ".dir=" in word or ".subdir=" in word])


def _flag(rng: random.Random, bench: Bench, experiment: str) -> str:
    return rng.choice(FLAGS)


def _many(rng: random.Random, bench: Bench, experiment: str) -> str:
    return rng.choice(MULTIRUN)


def _garbage(rng: random.Random, bench: Bench, experiment: str) -> str:
    letters = "=+~:@.,[]{}()'\"$\\ab1-_ /é\n\t*#"
    return "".join(rng.choice(letters) for _ in range(rng.randrange(12)))


def _injection(rng: random.Random, bench: Bench, experiment: str) -> str:
    node = injected(rng)
    keys = [key for key in bench.settings(experiment) if "_target_" not in key]
    places = (
        "model",
        "model.slope",
        "data",
        "data.source",
        "training",
        "tracking",
        "trainer",
        "evaluation.x",
        "attack.x",
    )
    place = rng.choice((*places, rng.choice(keys)))
    if rng.random() < 0.2:
        return rng.choice(
            (
                f"{place}._target_={node['_target_']}",
                f"++hydra.launcher._target_={node['_target_']}",
                f"++hydra.sweeper._target_={node['_target_']}",
                f"++hydra.callbacks.x={said(node)}",
                f"++hydra.job_logging.handlers.x={said(node).replace('_target_', '()')}",
            )
        )
    if rng.random() < 0.2:
        node = rng.choice(
            ([node], {"x": node}, {"_target_": "veilbench.families.ciphers.baselines.plaintext.Plaintext", "x": node})
        )
    elif rng.random() < 0.2:
        node |= rng.choice(
            ({"_partial_": True}, {"_args_": ["touch CANARY"]}, {"_convert_": "all"}, {"_recursive_": False})
        )
    return f"{rng.choice(('++', '++', '+', ''))}{place}={said(node)}"


_WAYS: list[Callable[[random.Random, Bench, str], str]] = [
    _setting, _near, _without, _choice, _hydra, _folder_then_refused, _flag, _many, _garbage, _injection,
]  # fmt: skip
_WEIGHTS = (30, 10, 5, 14, 8, 5, 3, 5, 6, 14)
