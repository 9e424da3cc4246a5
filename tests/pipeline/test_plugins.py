"""Plug-ins and benches: their names, their code and their files, and what may not be imported because of them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from veilbench.bench import homes, sources
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build_as, load
from veilbench.bench.homes import forget_homes, list_homes
from veilbench.bench.roots import find_class
from veilbench.bench.sources import find_reached, module_file
from veilbench.bench.trained_model import TrainedModel, load_trained_model
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.conf import conf_folders, origins
from veilbench.workflow.listing import list_choices

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "ridges"


def install(site: Path, package: Path, name: str) -> None:
    """Install a package with an entry point, as pip would."""
    shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    described = site / f"{name.replace('-', '_')}-0.1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (described / "entry_points.txt").write_text(f"[veilbench]\n{name} = {package.name}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages that holds the example plug-in."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    install(folder, EXAMPLE / "ridges", "ridges")
    before = set(sys.modules)
    forget_homes()
    yield folder
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("ridges", "mine", "other"):
            del sys.modules[name]
    forget_homes()


@pytest.fixture
def bench(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bench with a package of its own that stands beside the plug-in."""
    folder = tmp_path / "mybench"
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "mine").mkdir()
    (folder / "mine" / "__init__.py").write_text("")
    (folder / "mine" / "layers.py").write_text("WIDTH = 8\n")
    source = (EXAMPLE / "ridges" / "encoder.py").read_text().replace("RidgeEncoder", "Mine")
    (folder / "mine" / "encoder.py").write_text(f"import os\nfrom . import layers\n{source}\nsystem = os.system\n")
    (folder / "conf" / "model" / "mine.yaml").write_text("_target_: mine.encoder.Mine\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    forget_homes()
    return folder


def test_the_example_composes_and_its_names_come_from_the_plugin(site: Path, tmp_path: Path) -> None:
    config = plain(composed(["experiment=ridges"]))
    assert config["model"]["_target_"] == "ridges.encoder.RidgeEncoder"
    assert config["data"]["source"]["_target_"] == "ridges.gratings.Gratings"
    assert origins("model")["ridge_encoder"] == "ridges"
    assert origins("model")["hashmap"] == "veilbench"
    assert [home.name for home in list_homes()] == ["ridges", "veilbench"]


def test_a_bench_is_searched_first_then_plugins_then_veilbench(bench: Path) -> None:
    assert [home.name for home in list_homes()] == ["bench", "ridges", "veilbench"]
    assert origins("model")["mine"] == "bench"
    (bench / "conf" / "model" / "ridge_encoder.yaml").write_text("_target_: mine.encoder.Mine\n")
    config = plain(composed(["experiment=ridges"]))
    assert config["model"]["_target_"] == "mine.encoder.Mine"


def test_two_plugins_with_one_name_are_both_named(site: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "ridges", tmp_path / "other")
    install(site, tmp_path / "other", "other")
    forget_homes()
    with pytest.raises(UserError, match=r"conf/\S+\.yaml is in other and in ridges: uninstall one"):
        conf_folders()


def test_a_plugin_cannot_replace_a_file_of_veilbench(site: Path) -> None:
    (site / "ridges" / "conf" / "model" / "pca.yaml").write_text("_target_: ridges.encoder.RidgeEncoder\n")
    with pytest.raises(UserError, match=r"conf/model/pca\.yaml is in ridges and in veilbench"):
        composed(["experiment=pca"])


def test_an_entry_point_without_a_package_is_named(site: Path) -> None:
    shutil.rmtree(site / "ridges")
    forget_homes()
    with pytest.raises(UserError, match="the entry point ridges = ridges of the group veilbench names no installed"):
        list_homes()


def test_a_bench_hidden_by_an_installed_package_is_refused(bench: Path) -> None:
    (bench / "yaml.py").write_text("class Loader: ...\n")
    forget_homes()
    with pytest.raises(UserError, match=r"yaml\.py is hidden by the installed yaml in .*: rename it"):
        find_class("yaml.Loader", object)


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "subprocess.Popen", "builtins.eval", "shutil.rmtree", "mine.encoder.os.system",
        "mine.encoder.system",
        "mine.encoder.torch.nn.Linear", "mine.encoder.Encoder.mro", "ridges.gratings.np.load",
        "ridges.coarse_image.Ridge", "mine.layers.WIDTH",
    ],
)  # fmt: skip
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_what_a_plugin_imports_is_not_what_may_be_named(bench: Path, target: str, depth: int) -> None:
    node: dict[str, object] = {"_target_": target}
    for _ in range(depth):
        node = {"_target_": "mine.encoder.Mine", "code": [node]}
    with pytest.raises(UserError, match="names nothing that can be imported"):
        build_as(object, node, "place")
    if depth and target != "os.system":  # composing builds as above, whatever is named
        return
    (bench / "conf" / "model" / "bad.yaml").write_text(yaml.safe_dump(node))
    with pytest.raises(UserError):
        plain(composed(["experiment=hashmap", "model=bad"]))
    (bench / "model.json").write_text(json.dumps({"format": 1, "class": target, "settings": {}}))
    (bench / "model.safetensors").write_bytes((8).to_bytes(8, "little") + b"{}      ")
    with pytest.raises(UserError, match="names nothing that can be imported"):
        load_trained_model(bench)


def test_classes_of_a_plugin_and_of_a_bench_load(bench: Path) -> None:
    assert find_class("ridges.encoder.RidgeEncoder", object).__name__ == "RidgeEncoder"
    assert find_class("mine.encoder.Mine", object).__name__ == "Mine"


def test_a_model_of_a_plugin_that_is_not_installed_says_which(tmp_path: Path) -> None:
    head = {"format": 1, "class": "ridges.schemes.Other", "settings": {}}
    (tmp_path / "model.json").write_text(json.dumps(head))
    (tmp_path / "model.safetensors").write_bytes((8).to_bytes(8, "little") + b"{}      ")
    with pytest.raises(UserError, match="ridges is no package of this bench and no installed plug-in"):
        load_trained_model(tmp_path)


def test_a_module_that_lacks_a_library_is_named_with_it(bench: Path) -> None:
    (bench / "mine" / "lacking.py").write_text("import no_such_library\nclass Thing: ...\n")
    with pytest.raises(UserError, match=r"mine\.lacking needs no_such_library, which is not installed"):
        find_class("mine.lacking.Thing", object)


@pytest.fixture(autouse=True)
def changing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the files of plug-ins and benches each time; those of veilbench do not change."""
    for name in ("find_imports", "_parsed", "_code"):
        cached = getattr(sources, name)

        def read(path: Path, cached: Any = cached) -> Any:
            return (cached if path.is_relative_to(homes.PACKAGE) else cached.__wrapped__)(path)

        monkeypatch.setattr(sources, name, read)


def digests(*overrides: str) -> dict[str, str]:
    return dict(plain(composed(["experiment=ridges", *overrides]))["digests"])


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("encoder", {"train", "evaluate", "attack"}),
        ("gratings", {"prepare", "train", "evaluate", "attack"}),
        ("coarse_image", {"attack"}),
        ("__init__", {"prepare", "train", "evaluate", "attack"}),
    ],
)
def test_a_line_of_a_plugin_changes_the_digests_of_the_stages_that_reach_it(
    site: Path, file: str, stages: set[str]
) -> None:
    before = digests()
    path = site / "ridges" / f"{file}.py"
    path.write_text(path.read_text() + "\n# a comment\n")
    assert digests() == before
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert changed(before, digests()) == stages


def test_a_relative_import_is_followed(bench: Path) -> None:
    encoder = module_file("mine.encoder")
    assert encoder == bench / "mine" / "encoder.py"
    assert bench / "mine" / "layers.py" in find_reached([encoder])


def test_a_file_that_a_configuration_names_changes_the_digest_of_its_stage(bench: Path) -> None:
    from PIL import Image

    for person in ("ann", "bob"):
        (bench / "faces" / person).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (16, 16), 40 * number).save(bench / "faces" / person / f"{number}.png")
    words = ("data=image_folder", "data.source.folder=faces")
    before = digests(*words)
    assert digests(*words) == before
    (bench / "faces" / "bob" / "1.png").unlink()
    assert changed(before, digests(*words)) == {"prepare"}


def test_the_seed_reaches_the_data_unless_it_is_set_by_itself(bench: Path) -> None:
    config = plain(composed(["experiment=ridges", "seed=3"]))
    assert (config["data"]["seed"], config["data"]["source"]["seed"]) == (3, 3)
    config = plain(composed(["experiment=ridges", "seed=3", "data.seed=1"]))
    assert (config["data"]["seed"], config["data"]["source"]["seed"]) == (1, 3)


def test_a_trained_encoder_is_restored_to_the_same_codes(bench: Path, tmp_path: Path) -> None:
    import numpy as np

    from veilbench.bench import stages

    overrides = ["experiment=ridges", "data.source.people=40", "training.max_steps=20", "training.batch_size=8"]
    config = plain(composed([*overrides, "attack=[]", "tracking=none"]))
    stages.prepare(config, tmp_path / "prepared")
    stages.train(config, tmp_path / "prepared", tmp_path / "one")
    stages.train(config, tmp_path / "prepared", tmp_path / "two")
    images = np.random.default_rng(0).random((5, 1, 32, 32), np.float32)
    first, second = (load_trained_model(tmp_path / name) for name in ("one", "two"))
    np.testing.assert_array_equal(first.features(images), second.features(images))  # initial weights follow the seed
    assert np.linalg.norm(first.features(images), axis=1) == pytest.approx(1, abs=1e-5)
    assert isinstance(first, TrainedModel)


def test_a_wrong_shape_of_codes_is_one_line(bench: Path, tmp_path: Path) -> None:
    from veilbench.bench import stages

    source = (bench / "mine" / "encoder.py").read_text()
    (bench / "mine" / "encoder.py").write_text(
        source.replace("return self.head(", "return (").replace(".flatten(1)", "")
    )
    config = plain(composed(["experiment=ridges", "model=mine", "data.source.people=40", "attack=[]"]))
    stages.prepare(config, tmp_path / "prepared")
    with pytest.raises(UserError, match=r"Mine\.forward returned shape .*\(images, code\) is needed"):
        stages.train(config, tmp_path / "prepared", tmp_path / "one")


def test_own_classes_are_listed_under_the_family_that_they_import_from(bench: Path) -> None:
    families = {(group, name): family for group in ("model", "attack") for name, family, _ in list_choices(group)}
    assert families["model", "mine"] == "templates"
    assert families["model", "ridge_encoder"] == "templates"
    assert families["attack", "coarse_image"] == "templates"


def test_an_encoder_that_fails_is_one_line(bench: Path, tmp_path: Path) -> None:
    from veilbench.bench import stages

    source = (bench / "mine" / "encoder.py").read_text()
    broken = source.replace("return self.head(", "return self.haed(")
    (bench / "mine" / "encoder.py").write_text(broken)
    line = broken[: broken.index("haed")].count("\n") + 1
    config = plain(composed(["experiment=ridges", "model=mine", "data.source.people=40", "attack=[]"]))
    stages.prepare(config, tmp_path / "prepared")
    said = rf"^Mine failed on images of shape \(1, 1, .*'haed'.* \(encoder.py, line {line}\)$"
    with pytest.raises(UserError, match=said):
        stages.train(config, tmp_path / "prepared", tmp_path / "one")


def test_the_own_configuration_is_found_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "veilbench" / "conf").mkdir(parents=True)
    monkeypatch.setattr(homes, "PACKAGE", tmp_path / "veilbench")
    assert homes._own_conf() == tmp_path / "veilbench" / "conf"


def test_the_params_of_the_pipeline_name_nothing_of_plugins() -> None:
    assert load(ROOT / "params" / "hashmap.yaml")["model"]["_target_"].startswith("veilbench.")
