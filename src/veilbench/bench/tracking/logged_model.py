"""Logs the trained model of a record, so that `mlflow.pyfunc.load_model` loads it.

The model is stored as the two files that `TrainedModel.save` writes, without pickle: MLflow imports the loader
`bench.tracking.pyfunc` from the installed veilbench.
"""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from veilbench.bench.experiment import Config
from veilbench.bench.tracking.store import Store
from veilbench.version import __version__

FILES = ("model.json", "model.safetensors")
LOADER = "veilbench.bench.tracking.pyfunc"
NEEDED = ("mlflow", "numpy", "safetensors", "torch")


@dataclass(frozen=True)
class ModelOwner:
    """The run that a model is logged for.

    Attributes:
        run_id: id of the run.
        family: name of the model's family.
        config: the resolved experiment.
    """

    run_id: str
    family: str
    config: Config


def log_trained_model(store: Store, owner: ModelOwner, trained: Path) -> None:
    """Log the model of a record as an output of its run; does nothing if the record holds none.

    Args:
        store: the store that holds the run.
        owner: the run and what it ran.
        trained: folder of the stage `train`.
    """
    from mlflow.entities import LoggedModelOutput

    if not all((trained / name).is_file() for name in FILES):
        return  # an audit examines a model without saving it
    names = owner.config["names"]
    made = store.client.create_logged_model(
        store.group,
        name=re.sub(r"[^-\w]", "_", str(names.get("experiment") or names["model"])),
        source_run_id=owner.run_id,
        model_type=owner.family,
        tags={"model": str(names["model"]), "data": str(names["data"]), "seed": str(owner.config["seed"])},
    )
    with tempfile.TemporaryDirectory(prefix="veilbench-") as folder:
        write_model_folder(Path(folder), trained, made.model_id, owner.run_id)
        store.client.log_model_artifacts(made.model_id, folder)
    store.client.finalize_logged_model(made.model_id, "READY")
    store.client.log_outputs(owner.run_id, [LoggedModelOutput(made.model_id, step=0)])


def write_model_folder(folder: Path, trained: Path, model_id: str, run_id: str) -> None:
    """Write a model in MLflow's format.

    Args:
        folder: an empty folder.
        trained: folder with the model's two files.
        model_id: id of the logged model.
        run_id: id of the run that it belongs to.
    """
    (folder / "model").mkdir()
    for name in FILES:
        (folder / "model" / name).symlink_to((trained / name).resolve())
    python = ".".join(map(str, sys.version_info[:3]))
    flavour = {
        "loader_module": LOADER, "data": "model", "python_version": python, "env": {"virtualenv": "python_env.yaml"},
    }  # fmt: skip
    described = {
        "flavors": {"python_function": flavour},
        "mlflow_version": version("mlflow"),
        "model_id": model_id,
        "model_uuid": model_id,
        "run_id": run_id,
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (folder / "MLmodel").write_text(yaml.safe_dump(described), encoding="utf8")
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment), encoding="utf8")
    (folder / "requirements.txt").write_text("\n".join(requirements()) + "\n", encoding="utf8")


def requirements() -> list[str]:
    """Return what pip installs to load a model, with the versions that it was made with."""
    found = [f"veilbench=={__version__}"]
    for name in NEEDED:
        try:
            found.append(f"{name}=={version(name).partition('+')[0]}")  # a local version is on no index
        except PackageNotFoundError:  # not needed by what is installed here
            continue
    return found


def delete_logged_models(store: Store, run_id: str) -> None:
    """Delete the models of a run, which another process may be doing at the same time."""
    for model in store.client.search_logged_models([store.group], f"source_run_id = '{run_id}'"):
        try:
            store.client.delete_logged_model(model.model_id)
        except Exception as error:  # not by its class, which takes seconds to import
            if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                raise
