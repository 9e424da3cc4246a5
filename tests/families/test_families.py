"""Every data set and every experiment belongs to one of the families, whose modules are listed in one place."""

from __future__ import annotations

import pytest
import yaml

from veilbench.bench.family import family_named, family_of
from veilbench.bench.roots import find_class
from veilbench.bench.sources import PACKAGE, find_imports, module_file
from veilbench.families import MODULES
from veilbench.workflow.compose import plain_data
from veilbench.workflow.conf import conf_folders

CONF = conf_folders()[-1]
NAMES = [module.split(".")[-2] for module in MODULES]
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_family_is_called_like_its_folder_and_its_data_exist(name: str) -> None:
    family = family_named(name)
    assert family.name == name
    assert family.data
    assert all(find_class(target, object) for target in family.data)


def test_every_folder_of_a_family_is_listed() -> None:
    folders = {path.parent.name for path in (PACKAGE / "families").glob("*/family.py")}
    assert folders == set(NAMES)


@pytest.mark.parametrize("name", DATA)
def test_every_data_set_is_of_one_of_the_families(name: str) -> None:
    assert family_of({"names": {}, **plain_data(name)}) in NAMES


def test_photographs_are_rows_and_transferred_prints_templates() -> None:
    def found(name: str) -> str:
        return family_of({"names": {}, **plain_data(name)})

    assert [found(name) for name in ("text", "set12", "fvc_transferred", "mail_crowd")] == NAMES


def test_the_stage_report_runs_again_when_what_a_family_shows_changes() -> None:
    stage = yaml.safe_load((CONF.parent / "dvc.yaml").read_text("utf8"))["stages"]["report"]
    specs = {file for module in MODULES if (file := module_file(module))}
    shown = {file for spec in specs for file in find_imports(spec) if file.is_relative_to(PACKAGE / "families")}
    needed = {file.relative_to(CONF.parent).as_posix() for file in specs | shown}
    assert len(needed) > len(NAMES)
    assert needed <= set(stage["deps"])
