"""Extracts the text of a mail in internet message format (RFC 5322): its subject and its visible content."""

from __future__ import annotations

import base64
import email
import email.policy
import re
from email.errors import InvalidBase64LengthDefect
from email.header import decode_header
from email.message import Message
from html.parser import HTMLParser

from veilbench.families.mail.data.loaders.decoding import Decoder

CODED = ("base64", "quoted-printable", "x-uuencode", "uuencode", "uue", "x-uue")
PLAIN = ("", "7bit", "8bit", "binary")
META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
MOST_OF_HEAD = 1024  # bytes within which HTML must declare its charset
HIDDEN = ("script", "style", "head", "title")
BLOCKS = ("p", "br", "div", "td", "tr", "li", "h1", "h2", "h3", "table", "ul")


class _VisibleText(HTMLParser):
    """Collects the visible text of HTML; words are not split at inline tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Start hiding invisible elements, and break the line at block elements."""
        if tag in HIDDEN:
            self.inside.append(tag)
        elif tag in BLOCKS:
            self.kept.append("\n")
        if tag == "body":  # an unclosed head must not hide the whole mail
            self.inside.clear()

    def handle_endtag(self, tag: str) -> None:
        """Stop hiding, even if inner elements were not closed."""
        if tag in self.inside:
            del self.inside[self.inside.index(tag) :]

    def handle_data(self, data: str) -> None:
        """Collect visible text."""
        if not self.inside:
            self.kept.append(data)


def strip_tags(html: str) -> str:
    """Remove tags, comments, scripts and styles from HTML."""
    parser = _VisibleText()
    try:
        parser.feed(html)
        parser.close()
    except AssertionError:  # raised by the parser on a malformed declaration
        return re.sub(r"<[^>]*>", " ", html)
    return "".join(parser.kept)


def extract_text(raw: bytes, decoder: Decoder, in_utf8: bool = False) -> str:
    """Extract a mail's subject and visible text; plain-text alternatives are preferred, and attachments are skipped.

    The parser has the policy `compat32`, which does not raise errors on broken headers.

    Args:
        raw: the mail in internet message format.
        decoder: decoder of the parts, which counts problems.
        in_utf8: whether the file was converted to UTF-8, so that its declared charsets are ignored.
    """
    cut = decoder.truncate(raw)
    try:
        message = email.message_from_bytes(cut, policy=email.policy.compat32)
        if in_utf8:
            _declare_utf8(message)
        text = "\n".join([_decode_subject(message, decoder, in_utf8), *_extract_bodies(message, decoder)])
        broken = any(part.defects for part in message.walk())
    except RecursionError:
        decoder.problems["mails with parts nested too deep, taken as they are"] += 1
        return decoder.decode(cut)
    if broken:
        decoder.problems["mails with broken headers or parts, read as far as they go"] += 1
    return text


def _declare_utf8(message: Message) -> None:
    for part in message.walk():
        if part.get_content_maintype() != "multipart" and _get_transfer_encoding(part) not in CODED:
            part.set_param("charset", "utf-8")


def _decode_subject(message: Message, decoder: Decoder, in_utf8: bool) -> str:
    try:
        parts = decode_header(message.get("subject", ""))
    except Exception:  # the exception for a broken header depends on Python's version
        decoder.problems["subjects that cannot be decoded, kept as they are"] += 1
        return str(message.get("subject", ""))
    raw_charset = "utf-8" if in_utf8 else _charset(message)  # for raw bytes in the header
    resolved = ((part, raw_charset if charset == "unknown-8bit" else charset) for part, charset in parts)
    return "".join(part if isinstance(part, str) else decoder.decode(part, charset) for part, charset in resolved)


def _extract_bodies(message: Message, decoder: Decoder) -> list[str]:
    if message.get_content_type() == "multipart/alternative" and message.is_multipart():
        return _extract_preferred(message, decoder)
    if message.is_multipart():
        return [text for part in _parts(message) for text in _extract_bodies(part, decoder)]
    if message.get_content_maintype() == "multipart":
        decoder.problems["parts that should hold others, but have no boundary, read as plain text"] += 1
    elif message.get_content_maintype() != "text" or message.get_filename():
        decoder.problems["attachments left out"] += 1
        return []
    payload, charset = _decode_payload(message, decoder), _charset(message)
    html = message.get_content_subtype() == "html"
    if html and charset is None and (declaration := META.search(payload[:MOST_OF_HEAD])):
        charset = declaration.group(1).decode("ascii")
    text = decoder.decode(payload, charset)
    return [strip_tags(text) if html else text]


def _get_transfer_encoding(message: Message) -> str:
    return str(message.get("content-transfer-encoding", "")).partition(";")[0].strip().lower()


def _decode_payload(message: Message, decoder: Decoder) -> bytes:
    """Return the content of a part, decoded from its transfer encoding."""
    coding = _get_transfer_encoding(message)
    if coding in CODED:
        message.replace_header("content-transfer-encoding", coding)  # Python does not accept trailing blanks
    elif coding not in PLAIN:
        decoder.problems["parts in an unknown transfer encoding, read as they are"] += 1
    payload = message.get_payload(decode=True)
    if any(isinstance(defect, InvalidBase64LengthDefect) for defect in message.defects):
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", payload if isinstance(payload, bytes) else b"")
        return base64.b64decode(letters[: len(letters) // 4 * 4])  # Python does not decode one surplus character
    return payload if isinstance(payload, bytes) else b""


def _extract_preferred(message: Message, decoder: Decoder) -> list[str]:
    ranked = sorted(_parts(message), key=lambda part: part.get_content_type() != "text/plain")
    texts = (_extract_bodies(part, decoder) for part in ranked)
    return next((text for text in texts if "".join(text).strip()), [])


def _parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _charset(message: Message) -> str | None:
    try:
        return message.get_content_charset()
    except Exception:  # the exception for a broken header depends on Python's version
        return None
