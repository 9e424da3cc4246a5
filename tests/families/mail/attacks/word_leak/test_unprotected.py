from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from mail_cases import mails, untrained
from veilbench.bench.findings import Metric
from veilbench.families.mail.attacks.word_leak.clients import draw_batches
from veilbench.families.mail.attacks.word_leak.unprotected import UnprotectedUpdates
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.protocol import Protocol

STEP = "one step of SGD, weights of zero"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


def ready(data: Mails) -> tuple[dict[str, np.ndarray], Protocol]:
    """Weights that are not zero."""
    target, rng = untrained(data), np.random.default_rng(5)
    assert target.protocol is not None
    shapes = {name: weight.shape for name, weight in target.weights.items()}
    return {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()}, target.protocol


def table(data: Mails, **changed: Any) -> dict[str, dict[str, Any]]:
    settings = {"mails": [1, 20], "local_epochs": [2], "batch_sizes": [4], "momenta": [0.0, 0.9, 0.99]} | changed
    made = UnprotectedUpdates(**settings).tabulate(*ready(data), data, np.random.default_rng(0))
    return {str(row[0]): dict(zip(made.columns[1:], row[1:], strict=True)) for row in made.rows}


def test_every_way_to_train_has_a_row_and_plain_updates_name_no_wrong_word(data: Mails) -> None:
    rows = table(data)
    ways = ["1 mail", "20 mails", "2 local epochs", "batches of 4", "SGD, momentum 0", "SGD, momentum 0.9"]
    zero = ["first round, weights of zero", "1 mail, one step of SGD", f"1 mail, {STEP}", f"20 mails, {STEP}"]
    apart = ["3 mails, one step of SGD", "10 mails, one step of SGD"]
    assert list(rows) == [*ways, "SGD, momentum 0.99", *zero, *apart]
    assert rows[apart[0]]["count named"].value > 0.9
    for name, row in rows.items():
        for share in ("precision", "rare precision"):
            assert row[share].value == 1, (name, share)
        for share in ("recall", "rare recall", "label named"):
            assert row[share].value > 0.8, (name, share)


def test_net_counts_are_those_that_a_loop_counts(data: Mails) -> None:
    """Found for every word that is not as frequent in spam as in ham, and the count itself for those of one label."""
    row = table(data)[f"20 mails, {STEP}"]
    total, exact = 0, {"net": 0, "count": 0}
    rng = np.random.default_rng(0)
    for size in [1, *[20] * 6, 20, 1, 1]:  # the rows before deal mails and seed one client each
        draw_batches(data, [size], rng)
        rng.integers(2**31)
    batch = draw_batches(data, [20], rng)[0]
    spam, ham = Counter[int](), Counter[int]()
    for mail, label in zip(batch.tokens.tolist(), batch.labels.tolist(), strict=True):
        (spam if label else ham).update(word for word in mail if word > 1)
    for word in spam | ham:
        net = spam[word] - ham[word]
        total += 1
        exact["net"] += net != 0
        exact["count"] += net != 0 and abs(net) == spam[word] + ham[word]
    assert row["count in spam less in ham named"].n == row["count named"].n == total
    right = round(row["count in spam less in ham named"].value * total)
    assert exact["net"] <= right <= exact["net"] + 5  # rounding leaves something of a few words whose difference is 0
    assert round(row["count named"].value * total) == exact["count"]
    assert exact["count"] < exact["net"] < total


def test_counts_are_solved_for_one_mail_whatever_the_weights_and_for_no_others(data: Mails) -> None:
    rows = table(data)
    for name in ("1 mail, one step of SGD", f"1 mail, {STEP}"):
        assert rows[name]["count named"].value == rows[name]["count in spam less in ham named"].value == 1
    assert all(rows[name]["count named"] is None for name in rows if "one step" not in name)


def test_wider_rows_name_words_without_label_or_count(data: Mails) -> None:
    target, rng = untrained(data), np.random.default_rng(0)
    assert target.protocol is not None
    shapes = {"embedding.weight": (data.vocabulary.size, 3), "bias.weight": (1, 1)}
    shapes |= {"inner.weight": (4, 3), "inner.bias": (4,), "outer.weight": (1, 4)}
    wide = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    made = UnprotectedUpdates([5], [1], [4], [0.9]).tabulate(wide, target.protocol, data, rng)
    assert [row[0] for row in made.rows] == ["5 mails", "1 local epochs", "batches of 4", "SGD, momentum 0.9"]
    for row in made.rows:
        assert isinstance(row[1], Metric)
        assert row[1].value == 1
        assert row[5:] == [None, None, None]


def test_the_more_clients_the_less_is_one_clients_own(data: Mails) -> None:
    settings = UnprotectedUpdates(mails=[10], clients=[1, 4, 16, 10_000])
    (figure,) = settings.plot_means(*ready(data), data, np.random.default_rng(0))
    curves = {curve.name.removesuffix(" of one client's words"): curve for curve in figure.curves}
    assert list(curves) == ["precision", "recall", "rare precision", "rare recall", "label"]
    for name in ("precision", "rare precision"):
        assert list(curves[name].x) == [1, 4, 16]  # there are no mails for 10,000 clients
        assert curves[name].y[0] == 1
        assert curves[name].y[0] > curves[name].y[1] > curves[name].y[2]
    assert min(curves["recall"].y) > 0.9
    assert curves["label"].y[2] < curves["label"].y[0] == 1
    none = UnprotectedUpdates(mails=[10], clients=[10_000])
    assert none.plot_means(*ready(data), data, np.random.default_rng(0)) == []
