"""What `veilbench list` prints: each choice with its family and where it comes from."""

from __future__ import annotations

import pytest

from veilbench.bench.errors import UserError
from veilbench.workflow.conf import choices
from veilbench.workflow.listing import list_choices, main


def test_every_model_and_experiment_has_a_family() -> None:
    for group in ("model", "experiment", "attack"):
        rows = list(list_choices(group))
        assert [name for name, _, _ in sorted(rows)] == choices(group)
        families = {family for _, family, _ in rows}
        assert families <= {"ciphers", "autoencoders", "templates", "mail"}, (group, [r for r in rows if not r[1]])


@pytest.mark.parametrize(
    ("group", "name", "family"),
    [
        ("model", "anomaly", "autoencoders"),  # by its defaults list
        ("model", "cipher_small", "ciphers"),
        ("data", "prints_small", "templates"),
        ("experiment", "mail_ckks", "mail"),
        ("training", "central", ""),  # serves several families
    ],
)
def test_families(group: str, name: str, family: str) -> None:
    assert (name, family, "veilbench") in list(list_choices(group))


def test_one_kind_of_one_family(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "--family", "mail"])
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in lines} == {"mail"}
    assert "logistic_filter" in {line.split()[0] for line in lines}
    main([])
    assert {"models:", "data:", "experiments:"} <= set(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["model"], "model is not allowed; did you mean models"), (["--family"], "--family needs a name")],
)
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        main(arguments)
