"""Hydra's parser where Python checks help texts, as Python 3.14 does."""

from __future__ import annotations

from argparse import Action, ArgumentParser

import pytest
from hydra._internal.utils import get_args_parser

from veilbench.workflow.hydra_parser import CHECK, build_parser


def check(parser: ArgumentParser, action: Action) -> None:
    if action.help and not isinstance(action.help, str):
        raise ValueError("badly formed help string")


def test_a_help_that_is_made_later_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    add_argument = ArgumentParser.add_argument

    def add(parser: ArgumentParser, *names: str, **given: object) -> Action:
        action = add_argument(parser, *names, **given)  # type: ignore[arg-type]
        getattr(parser, CHECK)(action)
        return action

    monkeypatch.setattr(ArgumentParser, CHECK, check, raising=False)
    monkeypatch.setattr(ArgumentParser, "add_argument", add)
    with pytest.raises(ValueError, match="badly formed"):
        get_args_parser()
    options = build_parser().parse_args(["experiment=pca", "-m"])
    assert options.overrides == ["experiment=pca"]
    assert options.multirun
    assert getattr(ArgumentParser, CHECK) is check
