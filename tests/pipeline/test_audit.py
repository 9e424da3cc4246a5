"""Audits from Python: the numbers of the pipeline, as objects, a table and a page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

import veilbench
from veilbench.bench import stages
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import TextData
from veilbench.workflow.compose import composed, plain

QUICK = ["attack.chosen_plaintext.games=60", "attack.chosen_plaintext.queries=24", "evaluation.fidelity.length=500"]
NAMED = {"attacks": ["chosen_plaintext"], "evaluations": ["fidelity"], "seed": 3, "settings": QUICK}


def without_times(found: dict[str, Findings]) -> object:
    """The findings as they are written, without what differs from run to run."""
    for findings in found.values():
        findings.cost = {}
    return json.loads(TypeAdapter(dict[str, Findings]).dump_json(found))


@pytest.fixture(scope="module")
def by_name() -> veilbench.Audit:
    return veilbench.audit("substitution", "text", **NAMED)


def test_the_numbers_are_those_of_the_pipeline(by_name: veilbench.Audit, tmp_path: Path) -> None:
    from veilbench.bench.report.records import read_cell

    words = ["experiment=substitution", "attack=[chosen_plaintext]", "evaluation=[fidelity]", "seed=3", *QUICK]
    config = plain(composed([*words, "tracking=none"]))
    stages.run_all(config, tmp_path)
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(config))
    piped = read_cell(tmp_path)
    assert without_times(by_name.attacks) == without_times(piped.found["attack"])
    assert by_name.attacks["chosen_plaintext"].gain is not None
    assert without_times(by_name.evaluations) == without_times(piped.found["evaluate"])


def test_objects_give_the_same_as_names(by_name: veilbench.Audit, capsys: pytest.CaptureFixture[str]) -> None:
    of_objects = veilbench.audit(Substitution(seed=3), TextData(seed=3), **NAMED)
    steps = [line.rpartition("  ")[0] for line in capsys.readouterr().err.splitlines()]
    assert steps == [
        "prepare  TextData", "train  Substitution", "evaluate  fidelity", "attack  chosen_plaintext",
    ]  # fmt: skip
    veilbench.audit(Substitution(seed=3), TextData(seed=3), **NAMED, progress=False)
    assert capsys.readouterr().err == ""
    assert without_times(of_objects.attacks) == without_times(by_name.attacks)
    assert of_objects.record.config["names"]["model"] == "Substitution"


def test_a_trained_model_is_not_fitted_again(tmp_path: Path) -> None:
    cipher = AesCtr().with_fresh_key(np.random.default_rng(0))
    cipher.save(tmp_path)
    loaded = veilbench.load(tmp_path)
    found = veilbench.audit(loaded, "text", **NAMED)
    assert found.attacks["chosen_plaintext"].verdict != "broken"


def test_the_table_and_the_page_show_the_attacks(by_name: veilbench.Audit, tmp_path: Path) -> None:
    table = by_name.table()
    assert list(table.index) == ["chosen_plaintext"]
    row = table.loc["chosen_plaintext"]
    assert row["low"] <= row["gain"] <= row["high"]
    assert row["verdict"] == "broken"
    assert row["controls_passed"] == row["controls"] == 2
    assert "encryption_queries" in row["threat_model"]
    assert "<table" in by_name._repr_html_()
    by_name.save(tmp_path / "audit.html")
    assert "chosen plaintext" in (tmp_path / "audit.html").read_text().lower()


def test_findings_are_published_to_mlflow(
    by_name: veilbench.Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    run = by_name.track(uri)
    assert run is not None
    row = MlflowClient(uri).get_run(run)
    assert row.data.tags["verdict.chosen_plaintext"] == by_name.attacks["chosen_plaintext"].verdict
    assert "privacy/gain" in row.data.metrics


def test_what_does_not_apply_is_said_and_the_rest_is_run() -> None:
    settings = [*QUICK, "attack.key_sensitivity.messages=4"]
    found = veilbench.audit(
        Substitution(), "text", evaluations=[], settings=["attack=[chosen_plaintext,key_search]", *settings[:2]]
    )
    assert set(found.attacks) == {"chosen_plaintext", "key_search"}
    assert found.attacks["key_search"].verdict is None
    assert "not applicable" in found.attacks["key_search"].reason
    assert found.attacks["chosen_plaintext"].verdict == "broken"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("substitutoin", "text"), "there is no model substitutoin; did you mean substitution?"),
        (("substitution", "texxt"), "there is no data texxt; did you mean text?"),
        (("substitution", "text", ["frequncy"]), "there is no attack frequncy; did you mean frequency?"),
        ((object(), "text"), "model=object is of no family's class: give family"),
        (("substitution", "digits"), "does not"),
        (("substitution", "missing.txt"), "there is no file or folder missing.txt"),
        (("results/none/train", "text"), "there is no file or folder results/none/train"),
        ((Substitution, "text"), "model=Substitution is a class; an object of it is needed: Substitution(...)"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(UserError) as refused:
        veilbench.audit(*arguments)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_importing_veilbench_imports_no_library() -> None:
    heavy = "{'torch', 'numpy', 'hydra', 'mlflow', 'pandas', 'pydantic', 'sklearn'}"
    code = f"import sys, veilbench; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


class Shift:
    """A cipher of the caller: adds a number to each byte."""

    def encrypt(self, plain: bytes) -> bytes:
        return bytes((byte + 3) % 256 for byte in plain)

    def decrypt(self, sealed: bytes) -> bytes:
        return bytes((byte - 3) % 256 for byte in sealed)


def test_any_object_that_encrypts_is_a_cipher() -> None:
    found = veilbench.audit(Shift(), "text", family="ciphers", **NAMED)
    assert found.attacks["chosen_plaintext"].verdict == "broken"
    trips = [metric for name, metric in found.evaluations["fidelity"].metrics.items() if name.startswith("round_trip")]
    assert trips
    assert {metric.value for metric in trips} == {1.0}


def test_a_fitted_detector_of_scikit_learn_is_examined_as_it_is() -> None:
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    from veilbench.families.autoencoders.wrapped.live_rows import LiveDetector, adapt

    rows, labels = load_breast_cancer(return_X_y=True)
    detector = IsolationForest(random_state=0).fit(rows[labels == 1][:200])
    live = adapt(detector)
    assert isinstance(live, LiveDetector)
    assert roc_auc_score(labels == 0, live.score(rows)) == roc_auc_score(labels == 0, -detector.score_samples(rows))
    found = veilbench.audit(detector, "breast_cancer", family="autoencoders", attacks=[], evaluations=["anomaly"])
    assert 0 <= found.evaluations["anomaly"].metrics["auroc"].value <= 1


def test_a_folder_of_a_trained_model_and_a_file_of_text_are_paths(tmp_path: Path) -> None:
    AesCtr().with_fresh_key(np.random.default_rng(0)).save(tmp_path)
    words = np.random.default_rng(0).choice(["quick", "brown", "fox", "jumps", "over", "lazy", "dogs"], (60, 400))
    (tmp_path / "own.txt").write_text("\n\n".join(" ".join(line) for line in words))
    (tmp_path / "own.pdf").write_text("")
    found = veilbench.audit(str(tmp_path), tmp_path / "own.txt", **NAMED)
    assert found.attacks["chosen_plaintext"].verdict != "broken"
    with pytest.raises(UserError, match=r"own.pdf is not read for ciphers, which take: .txt"):
        veilbench.audit(str(tmp_path), tmp_path / "own.pdf", **NAMED)


def test_an_object_without_the_methods_of_its_family_is_refused() -> None:
    with pytest.raises(UserError, match="model=object has none of the methods that models of ciphers need"):
        veilbench.audit(object(), "text", family="ciphers")


SMALL_PRINTS = ["data.source.identities=60", "data.source.size=32"]


def test_a_function_and_a_torch_module_are_encoders_of_templates() -> None:
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(32 * 32, 16))
    named = {"attacks": ["template_linkage"], "evaluations": ["verification"], "settings": SMALL_PRINTS}

    def function(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(images)).numpy()

    of_net, of_function = (veilbench.audit(one, "prints_small", family="templates", **named) for one in (net, function))
    ranks = [one.evaluations["verification"].metrics["rank1_own_token"].value for one in (of_net, of_function)]
    assert ranks[0] == ranks[1] > 1 / 60
    assert of_net.attacks["template_linkage"].gain is not None


def test_an_onnx_file_is_audited_on_a_folder_of_images(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper
    from PIL import Image

    weights = np.random.default_rng(0).standard_normal((32 * 32, 8), np.float32)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 32, 32])
    codes = helper.make_tensor_value_info("codes", TensorProto.FLOAT, ["n", 8])
    nodes = [helper.make_node("Flatten", ["images"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["codes"])]
    graph = helper.make_graph(nodes, "encoder", [images], [codes], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "encoder.onnx")
    rng = np.random.default_rng(1)
    for person in range(30):
        (tmp_path / "faces" / f"p{person}").mkdir(parents=True)
        look = rng.integers(0, 255, (32, 32))
        for number in range(4):
            pixels = np.uint8(np.clip(look + rng.normal(0, 20, look.shape), 0, 255))
            Image.fromarray(pixels).save(tmp_path / "faces" / f"p{person}" / f"{number}.png")
    found = veilbench.audit(
        tmp_path / "encoder.onnx", tmp_path / "faces", family="templates", attacks=[], evaluations=["verification"],
        settings=["data.source.size=[32,32]"],
    )  # fmt: skip
    assert found.evaluations["verification"].metrics["rank1_own_token"].value > 0.9
