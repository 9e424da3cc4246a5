"""Definition of the templates family for the report."""

from veilbench.bench.family import Family
from veilbench.bench.report.specs import Utility
from veilbench.families.templates.card import CARD, TRADEOFF

FAMILY = Family(
    "templates",
    "Templates",
    data=(
        "veilbench.families.templates.data.identities.IdentitiesData",
        "veilbench.families.templates.data.transferred.TransferredData",
        "veilbench.families.templates.data.embeddings.EmbeddingsData",
    ),
    columns=(
        Utility("verification.eer_own_token", "EER, key secret", "Equal error rate, each user's key secret"),
        Utility("verification.eer_stolen_token", "EER, key stolen", "Equal error rate, keys known to impostors"),
        Utility("verification.rank1_own_token", "Rank 1", "Share of probes whose own identity is nearest"),
        Utility(
            "identification_classifier.own_token_50_classes_1_samples",
            "50 people, 1 sample",
            "Accuracy of the server's classifier among 50 people, trained on one template of each",
        ),
    ),
    card=CARD,
    tradeoffs=(TRADEOFF,),
)
