"""The network's files, and the people of each form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_face_net
import torch
from finished_net import FORMS, Finished, data_of, through_files, write
from small_face_net import SmallFaceNet

from finished import register
from veilbench.families.templates.data.identities import Identities

PEOPLE, EACH = 70, 4


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the user's module one of the bench."""
    register(Path(str(small_face_net.__file__)), monkeypatch)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder, rng = tmp_path_factory.mktemp("finished"), np.random.default_rng(0)
    who = np.repeat(np.arange(PEOPLE), EACH)
    faces = np.kron(rng.random((PEOPLE, 8, 8)), np.ones((3, 3)))[who] + 0.08 * rng.standard_normal((len(who), 24, 24))
    images = np.rint(np.clip(faces, 0, 1) * 255).astype(np.uint8)[:, None]
    torch.manual_seed(0)
    net = SmallFaceNet()
    net.norm.running_mean += 0.1 * torch.randn(8)
    made = Finished(folder, net.eval(), images)
    with torch.no_grad():
        embeddings = net(torch.from_numpy(images / np.float32(255))).numpy()
    write(made, who, embeddings)
    return made


@pytest.fixture(scope="session")
def people(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identities]:
    root = tmp_path_factory.mktemp("people")
    return {form: through_files(data_of(form, finished), root / form) for form in FORMS}
