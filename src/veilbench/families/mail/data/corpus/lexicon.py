"""Word lists of the generated corpus: words of all mails, and words of each topic."""

from __future__ import annotations

FUNCTION = """
the to and of a in for is on you that this with be i it as are at your we have will from or by not if my was an can our
all me please has do so any but would they about what there up know out one get when which no more he just been like
their them her his she who us were had than may could should let also some how other then see here now only time new
"""

GENERAL = """
today tomorrow week month year monday tuesday wednesday thursday friday morning evening need want make take send
receive look find think work call help start stop open close read write talk meet come leave give show tell ask try use
keep move change check wait hold bring turn follow change number name place people group person way part case point
thing day hour minute home office city country world life side hand line end list page form copy order note question
answer idea problem reason result fact example kind sort level area small large long short high low early late next
last first second third best good great sure possible available special different important full easy right wrong true
free ready able happy sorry thanks thank regards best dear hello hi wish hope enjoy interest visit offer price service
company business customer product account information address mail email message phone web site online link click
details request reply contact support team plan program market report system data file money pay cost rate value
"""

# Ham's topics first. A word may belong to several topics, and some of spam's words also occur in ordinary ham.
HAM_TOPICS = {
    "contracts": """contract gas pipeline nomination volume meter deal counterparty schedule capacity storage delivery
        invoice settlement desk trader nominations fuel plant supply legal draft clause agreement signature approval
        attached pricing basis confirm amendment""",
    "meetings": """meeting agenda conference room attend discuss presentation slides minutes calendar invite reschedule
        staff manager director review quarterly budget department travel expense committee lunch speaker session
        feedback deadline project status summary""",
    "family": """mom dad kids birthday dinner weekend party school baby house garden holiday cousin wedding love miss
        photos drive church game movie dog grandma beach cake picnic sister brother neighbour soccer""",
    "computing": """server patch kernel compile bug release module install build version debug script database query
        error branch commit linux perl python network driver library thread memory disk mirror archive upgrade crash
        backup""",
    "research": """paper university professor student thesis model theory linguistics language abstract submission
        workshop seminar journal proceedings chapter faculty analysis equation experiment references semester grant
        lecture department corpus syntax phonology""",
    "newsletter": """newsletter subscribe unsubscribe digest issue headline editor article news offers sale discount
        shipping store order promotion members exclusive deals coupon subscription account weekly update events
        tickets rewards""",
}
SPAM_TOPICS = {
    "pharmacy": """pills viagra cialis prescription pharmacy medication doctor dose weight loss herbal generic drugs
        overnight shipping discreet tablets health cure approved enlargement energy viagra discount supplement
        painkiller valium xanax""",
    "loans": """mortgage loan refinance lenders credit debt rates approval bills interest quote homeowner qualify
        consolidate cash income guaranteed monthly payment bank lowest apply fixed bad""",
    "stocks": """stock shares otc investor breakout symbol alert gains target analyst explosive trading undervalued
        profit pick newsletter disclaimer market forward statements growth oil gas announcement volume""",
    "lottery": """lottery winner prize million dollars claim fund transfer beneficiary confidential bank urgent
        attorney deceased estate inheritance kin barrister foreign deposit fiduciary lagos award promo ballot""",
    "software": """software windows adobe office cheap oem download license photoshop professional edition cd
        discount retail original save version antivirus xp instant catalog bundle soft""",
    "watches": """rolex watches replica luxury designer handbags brand genuine quality gucci cartier swiss collection
        gift discount exclusive sale style shipping store order deals omega breitling""",
}
FIRST_NAMES = """
james mary robert patricia john jennifer michael linda david elizabeth william barbara richard susan joseph jessica
thomas sarah karen daniel nancy lisa matthew anthony mark sandra donald ashley steven paul andrew emily kenneth george
carol joshua kevin brian amanda edward melissa ronald timothy jason laura jeffrey ryan cynthia gary amy nicholas eric
"""
