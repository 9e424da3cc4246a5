"""Templates of openings and closings. NAME and NUMBER are placeholders for names and figures."""

from __future__ import annotations

NAME, NUMBER = "NAME", "NUMBER"

HAM_OPENINGS = """
subject re meeting with NAME hi NAME thanks for your note
subject fw contract NUMBER NAME please see the attached file and let me know
subject question for NAME hello NAME i have a question about the report
subject your order NUMBER dear NAME thank you for your order
subject status of project NUMBER all here is the status for this week
subject lunch on friday hey NAME are you free for lunch
subject re re draft NAME i have read the draft and it looks good
subject call me NAME please call me at NUMBER when you can
subject weekly digest NUMBER in this issue
subject re data for NAME here are the numbers that you asked for NUMBER and NUMBER
""".strip().splitlines()
SPAM_OPENINGS = """
subject NAME you have been approved dear customer
subject save NUMBER % today only
subject re your account NUMBER dear NAME we have tried to contact you
subject urgent reply needed dear friend i am NAME and i write to you in confidence
subject best price on the web ! click here
subject hi NAME long time no see look at this site
subject get it now NUMBER $ only this week
subject fw important message for NAME please read
subject re order NUMBER your order is ready
subject make money at home ! it is easy and free
""".strip().splitlines()
HAM_CLOSINGS = """
thanks NAME
best regards NAME phone NUMBER
let me know if you have any questions NAME
talk to you soon love NAME
NAME office NUMBER fax NUMBER
""".strip().splitlines()
SPAM_CLOSINGS = """
click here to order now
to be removed from this list reply with remove
call NUMBER now this offer will end today
your friend NAME
visit our site today NUMBER
""".strip().splitlines()
