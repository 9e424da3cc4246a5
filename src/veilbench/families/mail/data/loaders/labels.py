"""Names of the labels ham and spam in files and folders."""

from __future__ import annotations

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.raw_mails import HAM, SPAM

FOLDERS = {"ham": HAM, "spam": SPAM}
NAMES = {"ham": HAM, "0": HAM, "0.0": HAM, "false": HAM, "spam": SPAM, "1": SPAM, "1.0": SPAM, "true": SPAM}


def parse_label(value: object, where: str) -> int:
    """Parse a label: 0 for ham, 1 for spam.

    Raises:
        UserError: the label has another name; the message contains `where`.
    """
    if (name := str(value).strip().lower()) not in NAMES:
        raise UserError(f"{where}: label {value!r} is not one of {', '.join(NAMES)}")
    return NAMES[name]
