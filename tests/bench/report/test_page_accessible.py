"""axe-core finds no serious fault, in the light, in the dark and on a phone, with all sections open."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from seen_page import Seen

AXE = "axe-core@4.10.3"
VIEWS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core: of the folder VEILBENCH_AXE where npm has put it, else installed by npm now."""
    folder = Path(os.environ.get("VEILBENCH_AXE") or tmp_path_factory.mktemp("axe"))
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if not npm:
            pytest.skip("npm is not installed")
        command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder), AXE]
        if subprocess.run(command, capture_output=True, timeout=300, check=False).returncode:
            pytest.skip(f"npm cannot install {AXE}")
    return script.read_text("utf8")


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_no_serious_fault(browser: Any, report: Path, shots: Path | None, axe: str, view: str) -> None:
    seen = Seen(browser, report, shots, **VIEWS[view])
    seen.page.evaluate("document.querySelectorAll('details').forEach(d => (d.open = true))")
    seen.page.evaluate("unpackAll(document)")
    seen.page.evaluate("document.querySelector('.compare form').requestSubmit()")
    seen.page.locator(".result table").first.wait_for()
    seen.page.wait_for_timeout(300)
    seen.page.evaluate(axe)
    assert serious(seen) == []
    seen.page.locator("a.why").first.click()
    assert serious(seen, "dialog") == []
    seen.shot(f"axe_{view}")


def serious(seen: Seen, part: str = "html") -> list[str]:
    """The rules that a part of the page breaks in a serious or critical way, with the first element that does."""
    found = seen.page.evaluate(f"axe.run('{part}', {{resultTypes: ['violations']}})")["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']} ({len(one['nodes'])}): {one['nodes'][0]['html'][:200]}" for one in bad]
