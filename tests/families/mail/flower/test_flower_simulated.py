from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from veilbench.bench.errors import UserError
from veilbench.families.mail.flower.simulated import start_ray


def stand_in(monkeypatch: pytest.MonkeyPatch, init: Callable[..., Any], there: bool = False) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, is_initialized=lambda: there))


def test_a_ray_that_does_not_start_is_one_line_after_the_stated_time(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()
    stand_in(monkeypatch, lambda **_: enough.wait(60))
    with pytest.raises(UserError, match=r"^Ray has not started in 0.2 s; see its logs in /tmp/ray"):
        start_ray(0.2)
    enough.set()


def test_why_ray_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> None:
        raise OSError("AF_UNIX path\nis too long")

    stand_in(monkeypatch, fails)
    with pytest.raises(UserError, match=r"^Ray has not started: AF_UNIX path is too long$"):
        start_ray()


def test_ray_is_started_once_quietly_and_finds_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    stand_in(monkeypatch, lambda **how: asked.append(how))
    start_ray()
    paths = asked[0]["runtime_env"]["env_vars"]["PYTHONPATH"]
    assert set(filter(None, sys.path)) <= set(paths.split(":"))
    assert asked[0]["log_to_driver"] is False
    stand_in(monkeypatch, lambda **how: asked.append(how), there=True)
    start_ray()
    assert len(asked) == 1


def test_a_real_ray_that_cannot_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 120)
    with pytest.raises(UserError, match=r"^Ray has not started: "):
        start_ray()
