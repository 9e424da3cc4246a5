"""Compare veilbench's evasion and membership attacks with those of other libraries, on the same models and budgets.

Usage: python benchmarks/two_libraries.py [--first-seed 10] [--seeds 3] [--rows 300] [--queries 300]
A library that is not installed is left out: `pip install foolbox torchattacks adversarial-robustness-toolbox`.

Evasion: a perceptron that classifies scikit-learn's handwritten digits (64 pixels from 0 to 1). The attacked rows are
test rows that it classifies correctly, the same for all libraries. Descents start at the row, take 40 steps of the same
length and raise the cross-entropy. Random searches may call the model `--queries` times for each row and lower the
margin. A row counts as moved if its class changes within the radius. The libraries' square attacks move squares of
pixels, veilbench's any pixels.

Membership: the same perceptrons, trained on 200 digits until they overfit; 200 members and 200 other rows in question.
ART's attackers are given the membership of half of the rows, and train on the model's outputs; a threshold on the loss,
as in veilbench's path of that name, needs none. All are judged on the other half.

Prints a Markdown table. Rows of all seeds are pooled; intervals are Clopper-Pearson 95 % for shares, and a bootstrap
over rows for the AUROC.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from veilbench.attack_methods.pgd import pgd
from veilbench.attack_methods.square import square
from veilbench.metrics.intervals import proportion

STEPS = 40
LENGTH = 2.5 / STEPS  # of a step, in radii
RADII = {"linf": 0.1, "l2": 0.6}  # where about half of the rows can be moved
TRAINED_ON = 200  # rows of each classifier whose members are in question
Attack = Callable[[nn.Module, Tensor, Tensor, str, int], Tensor]  # model, rows, labels, norm, queries -> moved rows


def split(seed: int) -> tuple[Tensor, Tensor]:
    """Return the digits in random order: rows from 0 to 1, shape (n, 1, 8, 8), and classes, shape (n,)."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    rows = torch.tensor(digits.data[order] / 16, dtype=torch.float32)
    return rows.view(-1, 1, 8, 8), torch.tensor(digits.target[order])


def train(net: nn.Module, loss: Callable[[Tensor], Tensor], steps: int, rows: int) -> nn.Module:
    """Minimise a loss of random batches, given as indices of rows, by Adam."""
    descent = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(steps):
        descent.zero_grad()
        loss(torch.randint(rows, (100,))).backward()
        descent.step()
    return net.eval().requires_grad_(False)


def train_classifier(rows: Tensor, labels: Tensor) -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    return train(net, lambda at: nn.functional.cross_entropy(net(rows[at]), labels[at]), 600, len(rows))


def descend(net: nn.Module, rows: Tensor, labels: Tensor, norm: str, queries: int) -> Tensor:
    def score(moved: Tensor) -> Tensor:
        return -nn.functional.cross_entropy(net(moved), labels, reduction="none")

    radii = torch.full((len(rows),), RADII[norm])
    return pgd(score, rows, radii, norm, STEPS, 1, torch.Generator().manual_seed(0), (0, 1))


def search(net: nn.Module, rows: Tensor, labels: Tensor, norm: str, queries: int) -> Tensor:
    def margin(moved: Tensor) -> Tensor:
        logits = net(moved)
        own = logits.gather(1, labels[:, None])[:, 0]
        return own - logits.scatter(1, labels[:, None], -torch.inf).amax(1)

    radii = torch.full((len(rows),), RADII[norm])
    return square(margin, rows, radii, norm, queries, torch.Generator().manual_seed(0), (0, 1))


def descend_foolbox(net: nn.Module, rows: Tensor, labels: Tensor, norm: str, queries: int) -> Tensor:
    import foolbox

    kind = {"l2": foolbox.attacks.L2ProjectedGradientDescentAttack, "linf": foolbox.attacks.LinfPGD}[norm]
    attack = kind(rel_stepsize=LENGTH, steps=STEPS, random_start=False)
    model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    return attack(model, rows, labels, epsilons=RADII[norm])[1]


def descend_torchattacks(net: nn.Module, rows: Tensor, labels: Tensor, norm: str, queries: int) -> Tensor:
    import torchattacks

    kind = {"l2": torchattacks.PGDL2, "linf": torchattacks.PGD}[norm]
    radius = RADII[norm]
    return kind(net, eps=radius, alpha=LENGTH * radius, steps=STEPS, random_start=False)(rows, labels)


def search_torchattacks(net: nn.Module, rows: Tensor, labels: Tensor, norm: str, queries: int) -> Tensor:
    import torchattacks

    kind = {"l2": "L2", "linf": "Linf"}[norm]
    return torchattacks.Square(net, norm=kind, eps=RADII[norm], n_queries=queries)(rows, labels)


def wrap_for_art(net: nn.Module) -> object:
    from art.estimators.classification import PyTorchClassifier

    kept = {"input_shape": (1, 8, 8), "nb_classes": 10, "clip_values": (0.0, 1.0), "device_type": "cpu"}
    return PyTorchClassifier(net, nn.CrossEntropyLoss(), **kept)


def descend_art(net: nn.Module, rows: Tensor, labels: Tensor, norm: str, queries: int) -> Tensor:
    from art.attacks.evasion import ProjectedGradientDescent

    radius, kind = RADII[norm], {"l2": 2, "linf": np.inf}[norm]
    length = {"norm": kind, "eps": radius, "eps_step": LENGTH * radius, "max_iter": STEPS}
    attack = ProjectedGradientDescent(wrap_for_art(net), **length, batch_size=512, verbose=False)
    return torch.from_numpy(attack.generate(rows.numpy(), labels.numpy()))


def search_art(net: nn.Module, rows: Tensor, labels: Tensor, norm: str, queries: int) -> Tensor:
    from art.attacks.evasion import SquareAttack

    kind = {"l2": 2, "linf": np.inf}[norm]
    attack = SquareAttack(wrap_for_art(net), norm=kind, eps=RADII[norm], max_iter=queries, verbose=False)
    return torch.from_numpy(attack.generate(rows.numpy(), labels.numpy()))


EVASION: dict[str, dict[str, tuple[str, Attack]]] = {
    "projected gradient descent": {
        "veilbench": ("veilbench", descend),
        "foolbox": ("foolbox", descend_foolbox),
        "torchattacks": ("torchattacks", descend_torchattacks),
        "ART": ("art", descend_art),
    },
    "random search, square attack": {
        "veilbench": ("veilbench", search),
        "torchattacks": ("torchattacks", search_torchattacks),
        "ART": ("art", search_art),
    },
}


def count_moved(attack: Attack, norm: str, options: argparse.Namespace) -> tuple[int, int]:
    """Return how many rows an attack moves over all seeds, and how many are attacked."""
    moved_rows, attacked = 0, 0
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        rows, labels = split(seed)
        torch.manual_seed(seed)
        np.random.seed(seed)  # ART draws from the global generator
        net = train_classifier(rows[:1000], labels[:1000])
        right = net(rows[1000:]).argmax(1) == labels[1000:]
        chosen, classes = rows[1000:][right][: options.rows], labels[1000:][right][: options.rows]
        moved = attack(net, chosen, classes, norm, options.queries).detach()
        change = (moved - chosen).flatten(1)
        far = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
        inside = (far <= RADII[norm] * 1.001) & (moved.min() >= 0) & (moved.max() <= 1)
        moved_rows += int(((net(moved).argmax(1) != classes) & inside).sum())
        attacked += len(chosen)
    return moved_rows, attacked


Digits = tuple[Tensor, Tensor]  # rows and their classes


def score_threshold(net: nn.Module, known: Digits, inside: np.ndarray, asked: Digits) -> np.ndarray:
    return -nn.functional.cross_entropy(net(asked[0]), asked[1], reduction="none").numpy()


def score_art(kind: str) -> Callable[[nn.Module, Digits, np.ndarray, Digits], np.ndarray]:
    def score(net: nn.Module, known: Digits, inside: np.ndarray, asked: Digits) -> np.ndarray:
        from art.attacks.inference.membership_inference import MembershipInferenceBlackBox

        attack = MembershipInferenceBlackBox(wrap_for_art(net), attack_model_type=kind)
        (rows, classes), other = (part.numpy() for part in known), ~inside
        attack.fit(rows[inside], classes[inside], rows[other], classes[other])
        return attack.infer(asked[0].numpy(), asked[1].numpy(), probabilities=True)[:, -1]

    return score


MEMBERSHIP = {
    "veilbench, threshold on the loss": ("veilbench", score_threshold),
    "ART, random forest": ("art", score_art("rf")),
    "ART, gradient boosting": ("art", score_art("gb")),
    "ART, network": ("art", score_art("nn")),
}


def measure_membership(score: Callable[..., np.ndarray], seeds: range) -> tuple[float, float, float]:
    """Return the AUROC over all seeds, its pairs within a seed only, with the ends of a bootstrap interval."""
    pairs = []
    for seed in seeds:
        rows, labels = (part[: 2 * TRAINED_ON] for part in split(seed))
        torch.manual_seed(seed)
        np.random.seed(seed)
        net = train_classifier(rows[:TRAINED_ON], labels[:TRAINED_ON])
        inside = np.arange(2 * TRAINED_ON) < TRAINED_ON
        known = np.random.default_rng(seed).permutation(2 * TRAINED_ON) % 2 == 0
        found = score(net, (rows[known], labels[known]), inside[known], (rows[~known], labels[~known]))
        pairs.append((found[inside[~known]], found[~inside[~known]]))
    rng = np.random.default_rng(0)
    drawn = [np.mean([auroc(rng.choice(a, len(a)), rng.choice(b, len(b))) for a, b in pairs]) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.mean([auroc(a, b) for a, b in pairs])), float(low), float(high)


def auroc(members: np.ndarray, others: np.ndarray) -> float:
    more, equal = members[:, None] > others, members[:, None] == others
    return float((more + equal / 2).mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--first-seed", type=int, default=10, help="0 and 1 chose the settings of veilbench's search")
    parser.add_argument("--seeds", type=int, default=3, help="number of models of each kind")
    parser.add_argument("--rows", type=int, default=300, help="attacked rows of each classifier")
    parser.add_argument("--queries", type=int, default=300, help="of a random search, for each row")
    options = parser.parse_args()
    print("| attack | norm, radius | by | success |\n|---|---|---|---|")
    for title, programs in EVASION.items():
        for norm, radius in RADII.items():
            for name, (module, attack) in programs.items():
                if find_spec(module):
                    share = proportion(*count_moved(attack, norm, options))
                    cell = f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"
                    print(f"| {title} | {norm}, {radius} | {name} | {cell} |", flush=True)
    for name, (module, score) in MEMBERSHIP.items():
        if find_spec(module):
            value, low, high = measure_membership(score, range(options.first_seed, options.first_seed + options.seeds))
            print(f"| membership, AUROC | | {name} | {value:.3f} [{low:.3f}, {high:.3f}] |", flush=True)


if __name__ == "__main__":
    main()
