"""The Flower app over real sockets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.mail.data.clients import UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, load_mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.schemes.filter import MailFilter

pytest.importorskip("flwr")

from veilbench.families.mail.flower.deployed import deploy
from veilbench.families.mail.flower.in_process import run_in_process


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    corpus = MailCorpus(mails=700, tail=500, names=200, numbers=200, senders=30)
    clients = UnequalClients((100,))
    MailData(corpus, Tokeniser(most_words=2_000), clients, split=(0.6, 0.1, 0.1, 0.2)).prepare(folder)
    return folder


@pytest.mark.slow
@pytest.mark.loopback
def test_deployed_over_sockets_the_filter_is_the_one_trained_in_process(prepared: Path, tmp_path: Path) -> None:
    deploy(prepared, tmp_path / "out", {"rounds": "2", "batch_size": "32"})
    deployed = load_trained_model(tmp_path / "out")
    assert isinstance(deployed, MailFilter)
    settings: dict[str, bool | float | int | str] = {
        "prepared": str(prepared),
        "clients": 2,
        "rounds": 2,
        "batch_size": 32,
    }
    alone, mails = run_in_process(settings, 2), load_mails(prepared)
    np.testing.assert_allclose(deployed.logits(mails.test.tokens), alone.logits(mails.test.tokens), atol=1e-4)


def marked(mark: str) -> set[int]:
    """Processes with this in their environment; those that have ended have none."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def until(done: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not done() and time.monotonic() < ends:
        time.sleep(0.2)
    return done()


@pytest.mark.slow
@pytest.mark.loopback
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_of_a_killed_deployer_nothing_is_left(prepared: Path, tmp_path: Path, how: signal.Signals) -> None:
    """Not the SuperLink, not a SuperNode, and nothing that they have started."""
    mark = f"VEILBENCH_TEST={uuid.uuid4()}"
    code = "import sys; from pathlib import Path; from veilbench.families.mail.flower.deployed import deploy; "
    code += "deploy(Path(sys.argv[1]), Path(sys.argv[2]), {'rounds': '100000'})"
    environment = os.environ | dict([mark.split("=")])
    with (tmp_path / "log").open("wb") as log:
        deployer = subprocess.Popen(
            [sys.executable, "-c", code, str(prepared), str(tmp_path / "out")], env=environment, stdout=log, stderr=log
        )
    try:
        assert until(lambda: working(mark) >= {"serverapp", "clientapp"}, 120), (tmp_path / "log").read_text()
        assert len(marked(mark)) >= 7  # the deployer, its warden, SuperLink, two SuperNodes and the apps
        deployer.send_signal(how)
        assert deployer.wait(10) == -how
        assert until(lambda: not marked(mark), 30), [command(pid) for pid in marked(mark)]
    finally:
        deployer.kill()
        for pid in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def working(mark: str) -> set[str]:
    """Which of the apps run."""
    commands = [command(pid) for pid in marked(mark)]
    return {name for name in ("serverapp", "clientapp") if any(f"flwr-{name} " in text for text in commands)}


def test_an_old_filter_is_not_taken_for_a_new_one(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exists already"):
        deploy(prepared, tmp_path, {})
