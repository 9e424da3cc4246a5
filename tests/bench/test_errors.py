"""What an error about an unknown name says of the known ones."""

from __future__ import annotations

from difflib import SequenceMatcher

from veilbench.bench.errors import list_known

NAMES = ["aes_ctr", "hashmap", "pca", "hashmap_binary", "hashmap_hardened"]


def test_the_most_similar_names_come_first_and_none_is_left_out() -> None:
    said = list_known("hashmap_harden", NAMES)
    listed = said.removeprefix("; did you mean hashmap_hardened? There are: ").split(", ")
    ratios = [SequenceMatcher(None, name, "hashmap_harden").ratio() for name in listed]
    assert ratios[:3] == sorted(ratios, reverse=True)[:3]
    assert listed[3:] == ["aes_ctr", "pca"]


def test_without_a_similar_name_the_order_is_kept() -> None:
    assert list_known("zzz", NAMES) == "; there are: aes_ctr, hashmap, pca, hashmap_binary, hashmap_hardened"
    assert list_known("zzz", []) == "; there are: none"
