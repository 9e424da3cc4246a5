"""The pages of the site that are made from the repository, and the links of pages that lead out of it."""

from __future__ import annotations

import re
from collections.abc import Callable

from attack_pages import describe_attacks, describe_threats
from experiment_pages import describe_experiments
from repository import ROOT
from result_pages import describe_results

LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]*)(#[^)]*)?\)")


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


def drop_links_out(markdown: str) -> str:
    """Write links to files of the repository that are no part of the site as their text."""

    def mend(link: re.Match[str]) -> str:
        text, target, place = link.groups()
        outside = re.match(r"(\.\./)+(examples|src|conf|tests)\b", target) or target == "CITATION.cff"
        return text if outside or not (target or place) else link[0]

    return LINK.sub(mend, markdown)
