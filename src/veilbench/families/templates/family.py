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
    ),
    columns=(
        Utility("verification.eer_secret", "EER, key secret", "Equal error rate, each user's key secret"),
        Utility("verification.eer_stolen", "EER, key stolen", "Equal error rate, keys known to impostors"),
        Utility("verification.rank1_secret", "Rank 1", "Share of probes whose own identity is nearest"),
        Utility(
            "discriminator.secret_50_classes_1_samples",
            "50 people, 1 sample",
            "Accuracy of the server's classifier of 50 people, trained on one template each",
        ),
    ),
    card=CARD,
    tradeoffs=(TRADEOFF,),
)
