"""Mail filters: spam classifiers, many of them trained by federated learning.

The names below are for plug-ins: the contracts of models, data and attacks.
"""

from typing import TYPE_CHECKING

from veilbench.bench.lazy_names import import_on_use

if TYPE_CHECKING:  # read by type checkers, and by `bench.sources` for the digests of code
    from veilbench.families.mail.data.loaders.mail_loader import MailLoader
    from veilbench.families.mail.data.mail import MailData, Mails
    from veilbench.families.mail.schemes.spam_scorer import SpamScorer

__all__ = [
    "MailData",
    "MailLoader",
    "Mails",
    "SpamScorer",
]

__getattr__ = import_on_use(
    __name__,
    {
        "MailData": "data.mail",
        "MailLoader": "data.loaders.mail_loader",
        "Mails": "data.mail",
        "SpamScorer": "schemes.spam_scorer",
    },
)
