"""The generator of the corpus: it draws outlines and bodies, applies templates, and produces text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from veilbench.bench.limits import Count, require_room
from veilbench.families.mail.data.corpus.inventory import create_inventory
from veilbench.families.mail.data.corpus.language import draw_bodies, draw_outlines, overlay_templates
from veilbench.families.mail.data.corpus.templates import HAM_CLOSINGS, HAM_OPENINGS, SPAM_CLOSINGS, SPAM_OPENINGS
from veilbench.families.mail.data.raw_mails import RawMails


class MailCorpus:
    """Ham and spam drawn from two language models that share most of their words.

    Each mail has a topic, a sender with favourite words, the sender's opening and closing, and mentions three people
    and three figures. Topic words reveal the label. Ordinary mails draw a fifth of their topic words from any topic,
    and disguised mails nearly all, so that no filter is perfect. There is no grammar: results on this corpus hold for
    bag-of-words models only, not for models that read sentences.

    Args:
        mails: number of mails to generate.
        spam: probability that a mail is spam.
        words: minimum and maximum number of words per mail.
        senders: number of authors of ham, and also of spam campaigns.
        disguise: share of mails whose topic words come from any topic, including those of the other label.
        tail: number of invented words in addition to the word lists.
        names: number of invented surnames.
        numbers: number of distinct figures, such as telephone numbers and amounts.
    """

    def __init__(
        self,
        mails: Annotated[Count, Ge(10)] = 44_000,
        spam: Annotated[float, Gt(0), Lt(1)] = 0.4,
        words: Sequence[Count] = (5, 500),
        senders: Count = 400,
        disguise: Annotated[float, Ge(0), Lt(1)] = 0.08,
        tail: Annotated[Count, Ge(100)] = 24_000,
        names: Annotated[Count, Ge(10)] = 8_000,
        numbers: Annotated[Count, Ge(10)] = 20_000,
    ) -> None:
        if len(words) != 2 or not words[0] <= words[1]:
            raise ValueError(f"words={list(words)} must be two numbers, the smaller first")
        require_room(f"mails={mails} of up to words={words[1]} words", mails, words[1], each=8)
        self.mails, self.spam, self.words, self.senders = mails, spam, (words[0], words[1]), senders
        self.disguise, self.tail, self.names, self.numbers = disguise, tail, names, numbers

    def read(self, rng: np.random.Generator) -> RawMails:
        """Generate all mails from `rng`."""
        inventory = create_inventory(self.tail, self.names, self.numbers, rng)
        mail = draw_outlines(self.mails, self.spam, self.senders, self.disguise, self.words, rng)
        numbers = draw_bodies(mail, inventory, rng)
        overlay_templates(numbers, mail, (HAM_OPENINGS, SPAM_OPENINGS), False, inventory, rng)
        overlay_templates(numbers, mail, (HAM_CLOSINGS, SPAM_CLOSINGS), True, inventory, rng)
        words = inventory.words[numbers]
        ends = np.cumsum(mail.lengths)
        texts = [" ".join(words[end - size : end]) for end, size in zip(ends, mail.lengths, strict=True)]
        notes = ["generated: no person wrote or is named in it"]
        return RawMails(texts, mail.labels, mail.topics, inventory.rare, notes)
