"""Collects the details of one experiment for its section: cards, attacks, utility, training, and the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import yaml
from markupsafe import Markup

from veilbench.bench.family import family_named
from veilbench.bench.findings import Figure, Findings, Picture
from veilbench.bench.report import cards
from veilbench.bench.report.figures import draw
from veilbench.bench.report.leaderboard import Row, granted_flags, list_commands
from veilbench.bench.report.names import anchor
from veilbench.bench.report.packing import Pictures
from veilbench.bench.report.records import Record

STAGES_BY_TITLE = {"Attacks": "attack", "Utility": "evaluate", "Training": "train"}


def collect(record: Record, entry: Row, pictures: Pictures | None) -> dict[str, Any]:
    """Collect the content of one experiment's section.

    Args:
        record: the experiment's record.
        entry: its row of the leaderboard.
        pictures: the pictures of the page, to which those of the record are added; None for neither pictures nor
            figures.
    """
    card = family_named(entry["family"]).card
    filled = cards.fill_card(card, record, entry) if card and entry["metrics"] else []
    on_card = {(stage, key) for one in filled for stage, key, _ in one.parts}
    stages: dict[str, list[dict[str, Any]]] = {title: [] for title in STAGES_BY_TITLE}
    for title, stage in STAGES_BY_TITLE.items():
        for key, found in record.found[stage].items():
            if not is_empty(found):
                with_figures = (stage, key) not in on_card
                stages[title].append(_collect_part(record, stage, key, found, pictures, with_figures))
    prefix = f"{anchor(record.name)}-card"
    return {
        "row": entry,
        "card": card,
        "sections": [(one, *_draw_part(prefix, one.figures, one.pictures, pictures)) for one in filled],
        "stages": stages,
        "config": yaml.safe_dump(record.config, sort_keys=False, allow_unicode=True),
    }


def is_empty(found: Findings) -> bool:
    """Whether an evaluation or an attack has nothing to show."""
    shown = (found.metrics, found.figures, found.tables, found.pictures, found.notes, found.verdict, found.controls)
    return not any(shown) and not found.reason and not found.cost


def _collect_part(
    record: Record, stage: str, key: str, found: Findings, pictures: Pictures | None, with_figures: bool
) -> dict[str, Any]:
    """Collect the content of one evaluation or attack, optionally with figures and pictures."""
    prefix = f"{anchor(record.name)}-{stage}-{key}"
    figures = [(str(index), figure) for index, figure in enumerate(found.figures)]
    drawn, shown = _draw_part(prefix, figures, found.pictures, pictures if with_figures else None)
    return {
        "key": key,
        "found": found,
        "granted": granted_flags(found),
        "rates": found.cost,
        "command": command(record, stage),
        "figures": drawn,
        "pictures": shown,
    }


def command(record: Record, stage: str) -> str:
    """Return the command that makes the numbers of one stage of a record."""
    return f"dvc repro {stage}@{record.name}" if record.overrides is None else list_commands(record)[0]


def _draw_part(
    prefix: str, figures: Iterable[tuple[str, Figure]], shown: Iterable[Picture], pictures: Pictures | None
) -> tuple[list[tuple[str, Markup]], list[dict[str, Any]]]:
    """Draw figures, and add pictures to those of the page; nothing without a page's pictures.

    Returns:
        The title of each figure with its drawing, and each picture with its strips.
    """
    if pictures is None:
        return [], []
    drawn = [(figure.title, Markup(draw(figure, f"{prefix}-{name}"))) for name, figure in figures]
    return drawn, [{**asdict(picture), "strips": pictures.add(picture.png)} for picture in shown]
