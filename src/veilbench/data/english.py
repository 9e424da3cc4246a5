"""English prose that comes with Python: the help texts of `pydoc_data.topics`."""

from __future__ import annotations

import numpy as np

from veilbench.data.alphabet import normalise


def topics() -> list[str]:
    """One normalised text per help topic, with every paragraph that an earlier topic had left out.

    The topics repeat each other: a fifth of their text stands in more than one. Without this, a split by topic
    would put the same sentences on both sides.
    """
    from pydoc_data.topics import topics as raw

    seen: set[str] = set()
    documents = []
    for name in sorted(raw):
        fresh = []
        for paragraph in raw[name].split("\n\n"):
            plain = normalise(paragraph)
            if plain not in seen:
                seen.add(plain)
                fresh.append(plain)
        documents.append(" ".join(filter(None, fresh)))
    return [document for document in documents if document]


def split(documents: list[str], shares: list[float], rng: np.random.Generator) -> list[str]:
    """Deal whole documents to parts of about the given shares of the characters.

    Args:
        documents: texts.
        shares: one per part, summing to at most 1.
        rng: decides the order in which the documents are dealt.

    Returns:
        One text per share, its documents joined by a space.
    """
    sizes = np.array([len(document) for document in documents])
    parts: list[list[str]] = [[] for _ in shares]
    filled = np.zeros(len(shares))
    for index in rng.permutation(len(documents)):
        emptiest = int(np.argmin(filled / np.array(shares)))
        parts[emptiest].append(documents[index])
        filled[emptiest] += sizes[index]
    return [" ".join(part) for part in parts]
