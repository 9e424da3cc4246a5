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

from veilbench.families.mail.flower import deployed
from veilbench.families.mail.flower.deployed import deploy
from veilbench.families.mail.flower.in_process import run_in_process

GUARD = 600.0  # seconds until a state counts as never reached


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
    received = load_trained_model(tmp_path / "out")
    assert isinstance(received, MailFilter)
    settings: dict[str, bool | float | int | str] = {
        "prepared": str(prepared),
        "clients": 2,
        "rounds": 2,
        "batch_size": 32,
    }
    alone, mails = run_in_process(settings, 2), load_mails(prepared)
    np.testing.assert_allclose(received.logits(mails.test.tokens), alone.logits(mails.test.tokens), atol=1e-4)


def marked(mark: str) -> set[int]:
    """Processes with this in their environment; those that have ended have none."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def until(done: Callable[[], bool]) -> bool:
    ends = time.monotonic() + GUARD
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
        assert until(lambda: all_run(mark) or deployer.poll() is not None)
        assert deployer.poll() is None, (tmp_path / "log").read_text()
        deployer.send_signal(how)
        assert deployer.wait(GUARD) == -how
        assert until(lambda: not marked(mark)), [command(pid) for pid in marked(mark)]
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


def all_run(mark: str) -> bool:
    """Whether the deployer, its warden, SuperLink, two SuperNodes and both apps run at once: a ClientApp ends often."""
    commands = [command(pid) for pid in marked(mark)]
    apps = all(any(f"flwr-{name} " in text for text in commands) for name in ("serverapp", "clientapp"))
    return apps and len(commands) >= 7


def test_a_submission_that_does_not_end_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^flwr run has not ended in time$"):
        deployed._run_command(tmp_path, ["sleep", "60"], time.monotonic() + 0.1)


def test_a_process_that_ends_is_told_long_before_the_deadline(tmp_path: Path) -> None:
    (tmp_path / "link.log").write_text("no port")
    with (
        subprocess.Popen(["false"]) as ended,
        pytest.raises(UserError, match=r"failed or timed out.*link\.log: 'no port'"),
    ):
        deployed._wait_until(lambda: False, [ended], tmp_path, time.monotonic() + GUARD)


def test_an_old_filter_is_not_taken_for_a_new_one(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exists already"):
        deploy(prepared, tmp_path, {})
