"""Columns and tables that the report shows for mail filters."""

from veilbench.bench.family import Family
from veilbench.bench.report.specs import Utility
from veilbench.families.mail.attack_tables import AUDITS, MEMBERS, NAMED_WORDS, POISONED
from veilbench.families.mail.table import LEAKS

FAMILY = Family(
    "mail",
    "Mail filters",
    data=("veilbench.families.mail.data.mail.MailData",),
    columns=(Utility("filtering.accuracy", "Accuracy", "Share of test mails classified correctly"),),
    tables=(LEAKS, NAMED_WORDS, MEMBERS, AUDITS, POISONED),
)
