"""Hides passwords and tokens in text that is about to be shown.

Libraries repeat the whole address of a server in their errors, and Hydra repeats overrides. `mask_secrets` alone knows
what must be hidden; every message about a server goes through it.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, unquote

HIDDEN = "***"
ADDRESS, NAME, PASSWORD, TOKEN = (f"MLFLOW_TRACKING_{part}" for part in ("URI", "USERNAME", "PASSWORD", "TOKEN"))
# An unescaped password may contain any character except whitespace, so it extends to the last @.
LOGIN = re.compile(r"(?<=://)([^\s/?#@:]*)(:\S*)?@")
SECRET_KEY = re.compile(
    r"(?i)((?:[?&;][\w.-]*(?:pass|pwd|token|secret|key|auth|sig|cred)[\w.-]*|\b(?:password|passwd|pwd))=)[^\s&;#'\"]+"
)
# Values of a query that are not secrets: those shorter than FEWEST characters, and those in PLAIN.
FEWEST, PLAIN = 4, ("true", "false", "require", "prefer", "disable")
SHORT = 6  # characters; shorter secrets are hidden only as whole words, so that other words do not lose letters


def mask_secrets(text: str, *addresses: str) -> str:
    """Replace passwords and tokens by `***`.

    Args:
        text: any text, such as the message of a library's error.
        addresses: server addresses whose passwords, tokens and query values are hidden wherever they occur, in addition
            to those in the environment.
    """
    for secret in sorted(set(_known_secrets(addresses)), key=len, reverse=True):
        alone = len(secret) < SHORT
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)" if alone else re.escape(secret), HIDDEN, text)
    text = LOGIN.sub(lambda found: f"{found[1]}:{HIDDEN}@" if found[2] else f"{HIDDEN}@", text)
    return SECRET_KEY.sub(rf"\1{HIDDEN}", text)


def _known_secrets(addresses: tuple[str, ...]) -> Iterator[str]:
    """Yield every secret of these addresses and of the environment, in each form in which it may be written."""
    for address in (*addresses, os.environ.get(ADDRESS, "")):
        for secret in find_secrets(address):
            yield from {secret, unquote(secret), quote(unquote(secret), safe="")}
    name, password = os.environ.get(NAME, ""), os.environ.get(PASSWORD, "")
    if password:
        yield from (password, b64encode(f"{name}:{password}".encode()).decode())  # as a header holds it
    if token := os.environ.get(TOKEN):
        yield token


def find_secrets(address: str) -> Iterator[str]:
    """Yield the password or token before an address's host, and the longer values of its query."""
    if login := LOGIN.search(address):
        is_server = address.lower().startswith("http")  # a bare name before a server may be a token
        if secret := login[2][1:] if login[2] else login[1] * is_server:
            yield secret
    for pair in filter(None, re.split("[&;]", address.partition("?")[2])):
        key, equals, value = pair.partition("=")
        secret = value if equals else key
        if len(secret) >= FEWEST and secret not in PLAIN:
            yield secret
