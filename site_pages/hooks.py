"""MkDocs calls these functions while it builds the site."""

from __future__ import annotations

from typing import Any

from mkdocs.structure.files import File, Files

from pages import MADE, drop_links_out


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made from the repository."""
    for name, make in MADE.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Drop the links that lead out of the site."""
    return drop_links_out(markdown)
