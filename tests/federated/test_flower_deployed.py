"""The Flower app over real sockets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from veilbench.data.clients import UnequalClients
from veilbench.data.mail import MailData, load_mails
from veilbench.data.mail_corpus.mail_corpus import MailCorpus
from veilbench.data.tokeniser import Tokeniser
from veilbench.errors import UserError
from veilbench.mail.filter import MailFilter
from veilbench.subject import load_subject

pytest.importorskip("flwr")

from veilbench.federated.flower_deployed import deploy
from veilbench.federated.flower_in_process import in_process


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    corpus = MailCorpus(mails=700, tail=500, names=200, numbers=200, senders=30)
    clients = UnequalClients((100,))
    MailData(corpus, Tokeniser(most_words=2_000), clients, split=(0.6, 0.1, 0.1, 0.2)).prepare(folder)
    return folder


@pytest.mark.slow
def test_deployed_over_sockets_the_filter_is_the_one_trained_in_process(prepared: Path, tmp_path: Path) -> None:
    deploy(prepared, tmp_path / "out", {"rounds": "2", "batch_size": "32"})
    deployed = load_subject(tmp_path / "out")
    assert isinstance(deployed, MailFilter)
    settings: dict[str, bool | float | int | str] = {
        "prepared": str(prepared),
        "clients": 2,
        "rounds": 2,
        "batch_size": 32,
    }
    alone, mails = in_process(settings, 2), load_mails(prepared)
    np.testing.assert_allclose(deployed.logits(mails.test.tokens), alone.logits(mails.test.tokens), atol=1e-4)


def test_an_old_filter_is_not_taken_for_a_new_one(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is there already"):
        deploy(prepared, tmp_path, {})
