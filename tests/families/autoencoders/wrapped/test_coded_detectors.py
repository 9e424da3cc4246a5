"""One small autoencoder as PyTorch modules and as ONNX files: the same codes, reconstructions and findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from finished import Finished
from veilbench.bench.errors import UserError
from veilbench.bench.stages import prepare, train
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.wrapped.onnx_autoencoder import OnnxAutoencoder
from veilbench.families.autoencoders.wrapped.torch_autoencoder import TorchAutoencoder
from veilbench.nets.perceptron import Perceptron
from veilbench.workflow.compose import composed, plain

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
TINY = [
    "data.most_rows=300",
    "model.flat=true",
    "attack.inversion.sizes=[30]",
    "attack.inversion.steps=20",
    "attack.membership.most_rows=40",
    "attack.membership.shadows.count=4",
    "attack.membership.shadows.steps=10",
]


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Sequential, nn.Sequential]:
    """A linear autoencoder on two principal components' worth of pixels, and a little more."""
    torch.manual_seed(0)
    first, last = nn.Linear(64, 8), nn.Linear(8, 64)
    with torch.no_grad():
        last.weight.copy_(torch.linalg.pinv(first.weight))
        last.bias.copy_(-last.weight @ first.bias)
    return nn.Sequential(first, nn.Identity()), nn.Sequential(last)


@pytest.fixture
def files(pair: tuple[nn.Sequential, nn.Sequential], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    both = {
        f"{name}.{key}": w
        for name, net in zip(("encoder", "decoder"), pair, strict=True)
        for key, w in net.state_dict().items()
    }
    save_file({key: w.contiguous() for key, w in both.items()}, "both.safetensors")
    torch.save({"state_dict": both, "epoch": 3}, "both.ckpt")
    for name, net in zip(("encoder", "decoder"), pair, strict=True):
        export(net[0], f"{name}.onnx")
    return tmp_path


def export(layer: nn.Module, path: str, batch: int | str = "n") -> None:
    """Write a linear layer as an ONNX graph, made by hand: x W + b."""
    weights = {"w": layer.weight.detach().numpy().T, "b": layer.bias.detach().numpy()}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["y"])]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, size])
        for name, size in (("x", layer.in_features), ("y", layer.out_features))
    ]
    constants = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "linear", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def torch_overrides(weights: str) -> list[str]:
    return [
        "experiment=torch_autoencoder",
        "model.encoder.widths=[64,8]",
        "model.decoder.widths=[8,64]",
        f"model.encoder_weights={weights}",
        f"model.decoder_weights={weights}",
        *TINY,
    ]


def rows(n: int = 20) -> np.ndarray:
    return np.random.default_rng(1).random((n, 1, 8, 8), np.float32)


@pytest.mark.parametrize("weights", ["both.safetensors", "both.ckpt"])
def test_torch_modules_give_the_answers_of_the_modules(
    weights: str, files: Path, pair: tuple[nn.Sequential, nn.Sequential]
) -> None:
    job = Finished(files / "job", *torch_overrides(weights))
    model, x = job.model, rows()
    assert isinstance(model, TorchAutoencoder)
    with torch.no_grad():
        codes = pair[0](torch.from_numpy(x).flatten(1))
        back = pair[1](codes).reshape(x.shape)
    np.testing.assert_allclose(model.encode(x), codes.numpy(), atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(x), back.numpy(), atol=1e-6)
    errors = ((back.numpy() - x) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(model.score(x), errors, rtol=1e-5)
    np.testing.assert_allclose(model.score_tensor(torch.from_numpy(x)).numpy(), errors, rtol=1e-5)
    assert job.inapplicable() == {}
    assert {name: one["gain"] is not None for name, one in job.found("attack").items()} == {
        "inversion": True,
        "membership": True,
    }


def test_onnx_files_give_the_answers_of_the_modules(files: Path, pair: tuple[nn.Sequential, nn.Sequential]) -> None:
    own = [*TINY, "model.encoder=encoder.onnx", "model.decoder=decoder.onnx"]
    job = Finished(files / "job", "experiment=onnx_autoencoder", *own)
    other = Finished(files / "other", *torch_overrides("both.safetensors"))
    assert isinstance(job.model, OnnxAutoencoder)
    np.testing.assert_allclose(job.model.reconstruct(rows()), other.model.reconstruct(rows()), atol=1e-5)
    for stage in ("evaluate", "attack"):
        one, two = job.found(stage), other.found(stage)
        assert one.keys() == two.keys()
        for name in one:
            ours, theirs = (
                {key: metric["value"] for key, metric in found[name]["metrics"].items()} for found in (one, two)
            )
            assert ours == pytest.approx(theirs, rel=0.02, abs=0.02), name
            assert one[name]["verdict"] == two[name]["verdict"]


def test_an_encoder_alone_is_inverted_and_what_needs_a_decoder_is_named(files: Path) -> None:
    own = [*TINY, "model.encoder=encoder.onnx", "model.decoder=null"]
    job = Finished(files / "job", "experiment=onnx_autoencoder", *own)
    no_decoder = "not applicable by construction: the model has no decoder, so no row comes back from its code"
    assert job.inapplicable() == {"reconstruction": no_decoder, "membership": no_decoder}
    inverted = job.found("attack")["inversion"]
    assert inverted["gain"]
    assert "mse_own_decoder" not in inverted["metrics"]
    assert job.found("evaluate")["probe"]["metrics"]["logistic"]["value"] > 0.5


def test_a_fixed_batch_size_is_filled_up(files: Path, pair: tuple[nn.Sequential, nn.Sequential]) -> None:
    export(pair[0][0], "seven.onnx", batch=7)
    x = rows(20).reshape(20, 64)
    seven, free = (OnnxAutoencoder(f"{name}.onnx") for name in ("seven", "encoder"))
    for model in (seven, free):
        model.read_files()
    np.testing.assert_allclose(seven.apply_encoder(x), free.apply_encoder(x), atol=1e-6)


def test_detection_uses_the_reconstruction_error_and_gradients(files: Path) -> None:
    own = [
        "data=digits_one",
        "evaluation=[anomaly]",
        "attack=[evasion]",
        "evaluation.anomaly.repeats=100",
        "attack.evasion.most_rows=8",
        "attack.evasion.search.steps=3",
        "attack.evasion.search.queries=5",
    ]
    job = Finished(files / "job", *torch_overrides("both.safetensors")[:5], "model.flat=true", *own)
    assert job.found("evaluate")["anomaly"]["metrics"]["auroc"]["value"] > 0.4
    assert job.found("attack")["evasion"]["controls"][0]["path"] == "gradient"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.encoder_weights=none.safetensors", "weights=none.safetensors: there is no such file"),
        (
            "model.encoder_weights=encoder.onnx",
            "weights=encoder.onnx is not allowed: the name must end in .safetensors",
        ),
        ("model.encoder.widths=[64,9]", "weights=both.safetensors do not fit encoder=Perceptron: 0.weight has shape"),
        ("model.flat=false", "encoder=veilbench.nets.perceptron.Perceptron cannot take shape (1, 8, 8)"),
        ("model.decoder.widths=[8,64,64]", "do not fit decoder=Perceptron: the array 2.weight is missing"),
    ],
)
def test_what_does_not_fit_is_one_line(override: str, said: str, files: Path) -> None:
    config = plain(composed([*torch_overrides("both.safetensors"), override]))
    prepare(config, files / "prepared")
    with pytest.raises(UserError) as refused:
        train(config, files / "prepared", files / "train")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x09"])
def test_a_damaged_onnx_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.onnx is no graph that ONNX Runtime can run") as refused:
        OnnxAutoencoder(str(tmp_path / "x.onnx")).read_files()
    assert "\n" not in str(refused.value)


def test_a_pickle_in_a_weights_file_is_never_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "executed",)  # type: ignore[return-value]

    torch.save({"0.weight": Bomb()}, tmp_path / "bomb.pt")
    model = TorchAutoencoder(
        {"_target_": "veilbench.nets.perceptron.Perceptron", "widths": [4, 2]}, str(tmp_path / "bomb.pt")
    )
    with pytest.raises(UserError, match=r"bomb\.pt cannot be read"):
        model.read_files()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("target", ["os.system", "torch.nn.Linear", "veilbench.bench.threat.ThreatModel"])
def test_modules_of_registered_packages_alone_are_named(target: str) -> None:
    with pytest.raises(UserError, match=target.replace(".", r"\.")):
        TorchAutoencoder({"_target_": target}, "x.pt")


def test_a_collapsed_encoder_is_refused(files: Path) -> None:
    net = Perceptron([64, 8])
    torch.save({name: torch.zeros_like(w) for name, w in net.state_dict().items()}, "zero.pt")
    node = {"_target_": "veilbench.nets.perceptron.Perceptron", "widths": [64, 8]}
    part = Part(rows(), np.zeros(20, np.int64))
    data = Rows(part, part, part, part, [], ["row"], False, [])
    with pytest.raises(UserError, match="codes that are equal or not finite"):
        TorchAutoencoder(node, "zero.pt", flat=True).fit(data, np.random.default_rng(0))
