from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from veilbench.families.mail.flower.warden import start_warden

SLEEPER = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
CHARGE = """
import subprocess, sys, time
from veilbench.families.mail.flower.warden import start_warden
with start_warden() as tell:
    sleeper = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, start_new_session=True)
    sleeper.stdout.readline()
    tell(sleeper.pid)
    print(sleeper.pid, flush=True)
    time.sleep(60)
"""


def ended(pid: int) -> bool:
    """Whether it has gone, or waits to be reaped by whom it was left to."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("stubborn", [False, True])
def test_what_a_killed_process_was_responsible_for_is_ended(stubborn: bool) -> None:
    sleeper = [*SLEEPER[:2], f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEPER[2]}"] if stubborn else SLEEPER
    owner = subprocess.Popen([sys.executable, "-c", CHARGE, *sleeper], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert not ended(pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    ends = time.monotonic() + 20
    while not ended(pid) and time.monotonic() < ends:
        time.sleep(0.1)
    assert ended(pid)


def test_in_an_orderly_end_it_goes_and_ends_nothing() -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, start_new_session=True) as sleeper:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        with start_warden() as tell:
            tell(sleeper.pid)
        time.sleep(0.5)
        assert sleeper.poll() is None
        os.killpg(sleeper.pid, signal.SIGKILL)
