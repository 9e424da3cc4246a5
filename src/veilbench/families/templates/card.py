"""Layout of the report's card for template protection methods, and of the figure that compares them.

The sections follow the scope of ISO/IEC 30136:2018: accuracy, probability of a successful attack, what a compromised
template reveals, diversity and unlinkability. Renewability is from ISO/IEC 24745. The threat models are those of
ISO/IEC 30136: in the standard model the attacker knows everything except the users' keys; with full disclosure they
also know the keys.
"""

from __future__ import annotations

from veilbench.bench.report.specs import Block, Card, Line, Panel, Section, Tradeoff

SCENARIOS = ("", "each user’s key secret", "key stolen")
SAR = ("", "SAR at FMR 1 %", "SAR at FMR 0.1 %", "PRAR at FMR 1 %")


def _both(label: str, key: str) -> Line:
    return Line(label, (f"{key}_own_token", f"{key}_stolen_token"))


def _success_line(label: str, attack: str, who: str = "") -> Line:
    keys = [f"{attack}.{share}{who}" for share in ("sar_at_0.01", "sar_at_0.001", "prar_at_0.01")]
    return Line(label, tuple(keys))


ACCURACY = Section(
    "Accuracy",
    "How often people are recognised. TMR, the share of true comparisons that are accepted at a false match rate, is "
    "1 − FNMR.",
    (
        Block(
            SCENARIOS,
            (
                _both("Equal error rate", "verification.eer"),
                _both("TMR at FMR 1 %", "verification.tmr_at_0.01"),
                _both("TMR at FMR 0.1 %", "verification.tmr_at_0.001"),
                _both("Rank 1", "verification.rank1"),
            ),
        ),
        Block(
            ("", "AUROC, same finger against twin", "twins accepted at FMR 1 %", "at FMR 0.1 %"),
            (
                Line(
                    "Twins: the same ridge directions, other ridges; key stolen",
                    (
                        "verification.twin_auroc",
                        "verification.twin_accepted_at_0.01",
                        "verification.twin_accepted_at_0.001",
                    ),
                ),
            ),
        ),
    ),
    ("verification",),
)
IRREVERSIBILITY = Section(
    "Irreversibility",
    "SAR is the share of reconstructions that the system accepts; PRAR is the share that it accepts under a new key. "
    "A stranger’s image is accepted at the false match rate.",
    (
        Block(
            SAR,
            (
                _success_line("Standard model: images from templates", "template_inversion"),
                _success_line("Standard model, and the system’s scores: images", "template_inversion_by_scores"),
                _success_line("Full disclosure: images from templates and keys", "template_inversion_known_key"),
                _success_line("Full disclosure: features solved for", "template_stolen_key", "_preimage"),
            ),
        ),
        Block(
            ("Another matcher, of ridges, at FMR 1 %", "the enrolled impression", "another impression"),
            tuple(
                Line(label, (f"{attack}.judged_at_0.01{which}", f"{attack}.judged_other_at_0.01{which}"))
                for label, attack, which in (
                    ("Standard model: images from templates", "template_inversion", ""),
                    ("Standard model, and the system’s scores: images", "template_inversion_by_scores", ""),
                    ("Full disclosure: images from templates and keys", "template_inversion_known_key", ""),
                    ("For comparison, the mean image: inversion *", "template_inversion*", "_mean_image"),
                    ("For comparison, a true impression: inversion *", "template_inversion*", "_true_impression"),
                )
            ),
        ),
        Block(
            ("", "accepted", "chance, or by noise"),
            (
                Line("Only the system’s answers: oracle *", ("template_oracle*.accepted", "template_oracle*.chance")),
                Line(
                    "Small perturbations of the attacker’s image: impersonation *",
                    ("template_impersonation*.impersonated", "template_impersonation*.impersonated_by_noise"),
                ),
                Line(
                    "Small perturbations of the attacker’s closest image: impersonation *",
                    (
                        "template_impersonation*.impersonated_from_closest",
                        "template_impersonation*.impersonated_from_closest_by_noise",
                    ),
                ),
                Line(
                    "The best of all the attacker’s images, perturbed; beside it, unperturbed: impersonation *",
                    (
                        "template_impersonation*.impersonated_from_best_own_image",
                        "template_impersonation*.met_by_best_own_image",
                    ),
                ),
            ),
        ),
        Block(
            ("Inferred, balanced accuracy", "from the template", "guessed", "from the image itself"),
            tuple(
                Line(f"{label}: *", tuple(f"{attack}.*_{source}" for source in ("template", "guess", "image")))
                for label, attack in (
                    ("Standard model", "template_attribute"),
                    ("Full disclosure", "template_attribute_known_key"),
                )
            ),
        ),
    ),
    (
        "template_inversion*",
        "template_stolen_key*",
        "template_oracle*",
        "template_impersonation*",
        "template_attribute*",
    ),
)
UNLINKABILITY = Section(
    "Unlinkability",
    "How well templates of one person under two keys can be distinguished from templates of two people: 0 % not at "
    "all, 100 % always. D_sys after Gomez-Barrero et al. 2018, corrected for bias; an AUROC of 50 % is chance.",
    (
        Block(
            ("", "D_sys", "maximum over scores"),
            (Line("The scheme’s own score", ("unlinkability.d_sys", "unlinkability.maximal_linkability")),),
        ),
        Block(
            ("", "D_sys", "AUROC"),
            (
                Line("Standard model, linker: *", ("template_linkage.d_sys_*", "template_linkage.auroc_*")),
                Line(
                    "Full disclosure, both keys known, linker: *",
                    ("template_linkage_known_key.d_sys_*", "template_linkage_known_key.auroc_*"),
                ),
                Line(
                    "Key reused, linker: *",
                    ("template_linkage_reused_key.d_sys_*", "template_linkage_reused_key.auroc_*"),
                ),
            ),
        ),
    ),
    ("unlinkability", "template_linkage*"),
)
RENEWABILITY = Section(
    "Revocability and renewability",
    "What a new key costs in accuracy, and whether the old template is still accepted.",
    (
        Block(
            ("", "before", "after renewal"),
            (Line("Equal error rate", ("unlinkability.eer_before", "unlinkability.eer_after")),),
        ),
        Block(
            ("", "accepted"),
            (
                Line("Old template against the new one, at FMR 1 %", ("unlinkability.old_matches_new",)),
                Line("Old reconstruction, standard model (PRAR)", ("template_inversion.prar_at_0.01",)),
                Line("Old preimage, full disclosure (PRAR)", ("template_stolen_key.prar_at_0.01_preimage",)),
            ),
        ),
    ),
)
STORAGE = Section(
    "Storage and time",
    "Rates depend on the machine.",
    (
        Block(
            ("", "value"),
            (
                Line("Bytes of a template", ("deployment.template_bytes",)),
                Line("Templates computed", ("deployment.templates_per_second",)),
                Line("Comparisons in a search", ("deployment.comparisons_per_second",)),
                Line("Training", ("train_seconds",)),
            ),
        ),
    ),
    ("deployment",),
)
DIVERSITY = Section(
    "Diversity and key space",
    "How many different templates one person can have, and how different people’s templates are under the same key. "
    "Effective bits do not measure how hard a template is to guess.",
    (
        Block(
            ("", "value"),
            (
                Line("Bits of a user’s key", ("deployment.key_bits",)),
                Line("Different templates of one image under 200 keys", ("deployment.different_templates",)),
                Line("Effective bits", ("distance_preservation.effective_bits",)),
                Line("Degrees of freedom", ("distance_preservation.degrees_of_freedom",)),
                Line("Pairs of strangers with identical templates", ("distance_preservation.collisions",)),
                Line("Pairs of strangers compared", ("distance_preservation.pairs_of_strangers",)),
                Line("Likeness of the nearest stranger, on average", ("distance_preservation.nearest_stranger",)),
            ),
        ),
    ),
    ("distance_preservation",),
)
CARD = Card(
    "Card of the method",
    "In the order of ISO/IEC 30136 for template protection schemes; nothing here is certified.",
    (ACCURACY, IRREVERSIBILITY, UNLINKABILITY, RENEWABILITY, STORAGE, DIVERSITY),
    notes=("Refused", "The templates have no key"),
)
TRADEOFF = Tradeoff(
    "Recognition against leakage",
    "Each point is a method with its intervals (95 %; 99 % for a gain). Higher is more accurate, further left leaks "
    "less: the upper left corner is best. Rank 1 is measured with stolen keys, so it does not depend on secret keys.",
    "verification.rank1_stolen_token",
    "rank 1, key stolen",
    (
        Panel("Standard model", "SAR at FMR 1 %", ("template_inversion.sar_at_0.01",)),
        Panel(
            "Standard model and scores",
            "SAR at FMR 1 %",
            ("template_inversion_by_scores.sar_at_0.01",),
            ("template_inversion.sar_at_0.01",),
        ),
        Panel(
            "Full disclosure",
            "SAR at FMR 1 %",
            ("template_inversion_known_key.sar_at_0.01", "template_stolen_key.sar_at_0.01_preimage"),
            ("template_inversion.sar_at_0.01",),
        ),
        Panel("Attributes, standard model", "gain: 0 is a guess", ("template_attribute.gain",)),
    ),
    "deployment.key_bits",
)
