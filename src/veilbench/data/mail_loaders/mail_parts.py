"""The text of one mail as it went over the wire (RFC 5322): its subject, then what a reader would see."""

from __future__ import annotations

import email
import email.policy
import re
from email.header import decode_header
from email.message import Message
from html.parser import HTMLParser

from veilbench.data.mail_loaders.decoding import Decoder

HIDDEN = ("script", "style", "head", "title")
BLOCKS = ("p", "br", "div", "td", "tr", "li", "h1", "h2", "h3", "table", "ul")


class _Visible(HTMLParser):
    """Keeps the text between the tags; a word cut by inline tags stays whole."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Hide what is not shown, and break the line at blocks."""
        if tag in HIDDEN:
            self.inside.append(tag)
        elif tag in BLOCKS:
            self.kept.append("\n")
        if tag == "body":  # a head that is never closed must not swallow the mail
            self.inside.clear()

    def handle_endtag(self, tag: str) -> None:
        """Show again, also where tags inside were never closed."""
        if tag in self.inside:
            del self.inside[self.inside.index(tag) :]

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if not self.inside:
            self.kept.append(data)


def without_tags(html: str) -> str:
    """What is left of HTML when tags, comments, scripts and styles are gone."""
    parser = _Visible()
    try:
        parser.feed(html)
        parser.close()
    except AssertionError:  # what the parser raises on a malformed declaration
        return re.sub(r"<[^>]*>", " ", html)
    return "".join(parser.kept)


def text_of(raw: bytes, decoder: Decoder) -> str:
    """Subject and visible text of a mail; of alternatives the plain one, of attachments nothing.

    The old policy of Python's parser is used: it never raises on a header, however broken.
    """
    cut = decoder.cut(raw)
    try:
        message = email.message_from_bytes(cut, policy=email.policy.compat32)
        text = "\n".join([_subject(message, decoder), *_bodies(message, decoder)])
    except RecursionError:
        decoder.met["mails with parts nested too deep, taken as they are"] += 1
        return decoder.text(cut)
    if message.defects:
        decoder.met["mails with broken headers or parts, read as far as they go"] += 1
    return text


def _subject(message: Message, decoder: Decoder) -> str:
    try:
        parts = decode_header(message.get("subject", ""))
    except Exception:  # what a broken header makes the library raise differs with its version
        decoder.met["subjects that cannot be decoded, kept as they are"] += 1
        return str(message.get("subject", ""))
    return "".join(part if isinstance(part, str) else decoder.text(part, charset) for part, charset in parts)


def _bodies(message: Message, decoder: Decoder) -> list[str]:
    if message.get_content_type() == "multipart/alternative" and message.is_multipart():
        return _best(message, decoder)
    if message.is_multipart():
        return [text for part in _parts(message) for text in _bodies(part, decoder)]
    if message.get_content_maintype() != "text" or message.get_filename():
        decoder.met["attachments left out"] += 1
        return []
    payload = message.get_payload(decode=True)
    text = decoder.text(payload if isinstance(payload, bytes) else b"", _charset(message))
    return [without_tags(text) if message.get_content_subtype() == "html" else text]


def _best(message: Message, decoder: Decoder) -> list[str]:
    ranked = sorted(_parts(message), key=lambda part: part.get_content_type() != "text/plain")
    texts = (_bodies(part, decoder) for part in ranked)
    return next((text for text in texts if "".join(text).strip()), [])


def _parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _charset(message: Message) -> str | None:
    try:
        return message.get_content_charset()
    except Exception:  # as above
        return None
