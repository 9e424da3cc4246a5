"""What the report shows of mail filters."""

from veilbench.families.mail.table import LEAKS
from veilbench.family import Family
from veilbench.report.specs import Utility

FAMILY = Family(
    "mail",
    "Mail filters",
    data=("veilbench.data.mail.MailData",),
    columns=(Utility("filtering.accuracy", "Accuracy", "Share of mails filed rightly"),),
    tables=(LEAKS,),
)
