"""What the hardening of hashmaps buys and costs, beside every keyed baseline; all of it with the keys known.

    python benchmarks/hardening_frontier.py [--seeds 3] [--methods epsilon=0 epsilon=0.1 biohash] [--out frontier.jsonl]
    python benchmarks/hardening_frontier.py --draw docs/hardening_frontier.svg [--out frontier.jsonl]

`epsilon=E` is `experiment=hashmap_hardened model.impersonation.epsilon=E`, and the other methods are names in
conf/experiment. Each line of the output is one method and seed, as JSON; what is there already is not computed again.
The seed determines keys, training and the attackers' choices; the data is `prints_small`. `--draw` draws the mean and
the range over the seeds. Attacks run without their controls, which the experiments of the pipeline run. Rates are
at FMR 1 %, for 60 victims:

- `rank1`: share of probes whose own template is nearest, all keys stolen; `eer` likewise;
- `sar`: reconstructions accepted: images from gradient search, or, for methods without gradients, features solved for;
- `random_at_E`: impersonated within a change of E of the grey range, from a random own image of the attacker;
- `best_at_E`: the same from the best of all 432 own images; E = 0 is this image as it is;
- `d_sys`, `auroc`: linkage of templates under two keys, both known; `_unknown` with neither known.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from score_oracle import prepare_data, train
from veilbench.attack_methods.evasion_task import Search, success_curve
from veilbench.attack_methods.pgd import pgd
from veilbench.attack_methods.square import square
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.families.templates.attacks.best_own_print import move_best_own_images
from veilbench.families.templates.attacks.template_task import TemplateTask
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import Verification
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import has_gradients
from veilbench.workflow.compose import composed, plain

HARDENED = ("epsilon=0", "epsilon=0.05", "epsilon=0.1")
BASELINES = ("random_projection", "biohash", "iom_grp", "mlp_hash", "polyprotect")
ATTACKS = (
    "template_linkage",
    "template_linkage_known_key",
    "template_inversion_known_key",
    "template_stolen_key",
    "template_impersonation",
)
BUDGETS, STEPS, QUERIES = (0.05, 0.1), 20, 50
CPU = Accelerator("cpu")


def compose_method(method: str) -> dict[str, Any]:
    """Return the config of a method with all attacks that are measured here."""
    words = [f"experiment={method}"]
    if method.startswith("epsilon="):
        words = ["experiment=hashmap_hardened", f"model.impersonation.{method}"]
    return plain(composed([*words, f"attack=[{','.join(ATTACKS)}]"]))


def measure(method: str, data: Identities, seed: int) -> dict[str, float]:
    """Train a method and attack it; return the rates."""
    config = compose_method(method)
    scheme = train(config, data, seed)
    attacks = {name: build(node) for name, node in config["attack"].items()}
    found = Verification(repeats=10).examine(scheme, data, CPU, np.random.SeedSequence(seed)).metrics
    rates = {"rank1": found["rank1_stolen_token"].value, "eer": found["eer_stolen_token"].value}
    for name, suffix in (("template_linkage", "_unknown"), ("template_linkage_known_key", "")):
        links = attacks[name].run(scheme, data, CPU, np.random.default_rng(seed), control=False).metrics
        rates |= {f"{key}{suffix}": links[f"{key}_comparison"].value for key in ("d_sys", "auroc")}
    inversion, best = "template_inversion_known_key", "sar_at_0.01"
    if not has_gradients(scheme):
        inversion, best = "template_stolen_key", "sar_at_0.01_preimage"
    rates["sar"] = (
        attacks[inversion].run(scheme, data, CPU, np.random.default_rng(seed), control=True).metrics[best].value
    )
    return rates | impersonate(attacks["template_impersonation"], scheme, data, seed)


def impersonate(attack: Any, scheme: TemplateScheme, data: Identities, seed: int) -> dict[str, float]:
    """Return the shares of impersonated victims from both starts."""
    rng, device = np.random.default_rng(seed), CPU.device()
    task = attack.tasks(scheme, data, rng)[0]
    assert isinstance(task, TemplateTask)
    assert task.every_image is not None
    searches = list_searches(task.white_box)
    by_search = [success_curve(task, search, BUDGETS, device, rng) for search in searches.values()]
    random = np.any(by_search, axis=0).mean(1)
    best = move_best_own_images(task, task.every_image, searches, BUDGETS, device, rng).mean(1)
    rates = {f"random_at_{budget:g}": float(share) for budget, share in zip(BUDGETS, random, strict=True)}
    return rates | {f"best_at_{budget:g}": float(share) for budget, share in zip((0, *BUDGETS), best, strict=True)}


def list_searches(white: bool) -> Mapping[str, Search]:
    """Return the searches that the attack has with these rights, by name."""
    bounds = (0.0, 1.0)
    searches: dict[str, Search] = {
        "search": lambda score, rows, radii, draw: square(score, rows, radii, "linf", QUERIES, draw, bounds)
    }
    if white:
        searches["gradient"] = lambda score, rows, radii, draw: pgd(score, rows, radii, "linf", STEPS, 1, draw, bounds)
    return searches


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf8").splitlines()] if path.exists() else []


def print_table(lines: list[dict[str, Any]]) -> None:
    """Print the mean and the range of each rate as a Markdown table, in per cent; D_sys and AUROC as they are."""
    grouped = group(lines)
    names = list(next(iter(grouped.values())))
    columns = ["method", "seeds", *names]
    print("|".join(["", *columns, ""]))
    print("|".join(["", *["---"] * len(columns), ""]))
    for method, rates in grouped.items():
        cells = []
        for name in names:
            values, scale = np.array(rates[name]), 1 if name.startswith(("d_sys", "auroc")) else 100
            digits = 2 if scale == 1 else 0
            low, mean, high = (f"{scale * end:.{digits}f}" for end in (values.min(), values.mean(), values.max()))
            cells.append(mean if low == high else f"{mean} [{low}, {high}]")
        print("|".join(["", method, str(len(rates[names[0]])), *cells, ""]))


def group(lines: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Return the values over seeds of each method's rates."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        for name, value in line["rates"].items():
            found[line["method"]][name].append(value)
    return found


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw rank 1 against each kind of leakage; bars are the range over the seeds."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "frontier", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    panels = {
        "sar": "reconstruction accepted",
        "random_at_0.1": "impersonated at 0.1,\nrandom start",
        "best_at_0.1": "impersonated at 0.1,\nbest own image",
        "d_sys": "linkability D_sys,\nkeys known",
    }
    figure, axes = pyplot.subplots(1, len(panels), figsize=(11, 3.6), sharey=True, layout="constrained")
    markers = "os^DvPX*"
    for axis, (name, title) in zip(axes, panels.items(), strict=True):
        for marker, (method, rates) in zip(markers, group(lines).items(), strict=False):
            x, y = (np.array(rates[key]) for key in (name, "rank1"))
            spread = [[[v.mean() - v.min()], [v.max() - v.mean()]] for v in (x, y)]
            colour = "tab:blue" if method.startswith("epsilon") else "tab:orange"
            axis.errorbar(
                x.mean(), y.mean(), spread[1], spread[0], marker, label=method, color=colour, mfc="white", capsize=2
            )
        axis.set(xlim=(-0.05, 1.05), ylim=(0, 0.85), xlabel=title)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("rank 1, keys stolen")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", nargs="*", default=[*HARDENED, *BASELINES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("frontier.jsonl"))
    parser.add_argument("--draw", type=Path)
    arguments = parser.parse_args()
    lines = read_lines(arguments.out)
    if arguments.draw:
        draw(lines, arguments.draw)
        return print_table(lines)
    data = prepare_data(plain(composed([f"experiment={BASELINES[0]}"]))["data"], 0)
    done = {(line["method"], line["seed"]) for line in lines}
    for seed in range(arguments.seeds):
        for method in arguments.methods:
            if (method, seed) not in done:
                line = {"method": method, "seed": seed, "rates": measure(method, data, seed)}
                with arguments.out.open("a", encoding="utf8") as file:
                    file.write(json.dumps(line) + "\n")
    return print_table(read_lines(arguments.out))


if __name__ == "__main__":
    main()
