"""MkDocs calls this: adds the pages that are made from the repository, and mends links that lead out of docs/."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attack_pages import describe_attacks, describe_threats
from experiment_pages import describe_experiments
from mkdocs.structure.files import File, Files
from repository import ROOT
from result_pages import describe_results


def copy_from_root(name: str) -> str:
    """Return a page of the repository's root, with links that start in docs/."""
    text = (ROOT / name).read_text("utf8")
    return re.sub(r"\]\(docs/?", "](", text).replace("](CONTRIBUTING.md)", "](contributing.md)")


MADE: dict[str, Callable[[], str]] = {
    "index.md": lambda: copy_from_root("README.md"),
    "contributing.md": lambda: copy_from_root("CONTRIBUTING.md"),
    "attacks.md": describe_attacks,
    "threat_models.md": describe_threats,
    "experiments.md": describe_experiments,
    "results.md": describe_results,
}
LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]*)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made from the repository."""
    for name, make in MADE.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Write links to files of the repository that are no part of the site as their text."""

    def mend(link: re.Match[str]) -> str:
        text, target = link[1], link[2]
        return text if target.startswith("../") or target in ("", "CITATION.cff") and not link[3] else link[0]

    return LINK.sub(mend, markdown)
