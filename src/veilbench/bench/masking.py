"""Hides passwords and tokens in text that is about to be shown.

Libraries repeat the whole address of a server in their errors, and Hydra repeats overrides. `masked` is the one place
that knows what must not be seen; every line that a user reads about a server goes through it.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, unquote

HIDDEN = "***"
ADDRESS, NAME, PASSWORD, TOKEN = (f"MLFLOW_TRACKING_{part}" for part in ("URI", "USERNAME", "PASSWORD", "TOKEN"))
# The password of an address may hold any sign but a blank where somebody forgot to escape it: up to the last @.
LOGIN = re.compile(r"(?<=://)([^\s/?#@:]*)(:\S*)?@")
SECRET_KEY = re.compile(
    r"(?i)((?:[?&;][\w.-]*(?:pass|pwd|token|secret|key|auth|sig|cred)[\w.-]*|\b(?:password|passwd|pwd))=)[^\s&;#'\"]+"
)
FEWEST, PLAIN = 4, ("true", "false", "require", "prefer", "disable")  # of a query: what is no secret
SHORT = 6  # characters; what is shorter is hidden only where it stands alone, or words would lose letters


def masked(text: str, *addresses: str) -> str:
    """Replace passwords and tokens by `***`.

    Args:
        text: any text, such as the message of a library's error.
        addresses: addresses of servers whose passwords, tokens and query values are hidden wherever they stand, in
            addition to those that the environment holds.
    """
    for secret in sorted(set(_known(addresses)), key=len, reverse=True):
        alone = len(secret) < SHORT
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)" if alone else re.escape(secret), HIDDEN, text)
    text = LOGIN.sub(lambda found: f"{found[1]}:{HIDDEN}@" if found[2] else f"{HIDDEN}@", text)
    return SECRET_KEY.sub(rf"\1{HIDDEN}", text)


def _known(addresses: tuple[str, ...]) -> Iterator[str]:
    """Every secret of these addresses and of the environment, as it may be written."""
    for address in (*addresses, os.environ.get(ADDRESS, "")):
        for secret in secrets_of(address):
            yield from {secret, unquote(secret), quote(unquote(secret), safe="")}
    name, password = os.environ.get(NAME, ""), os.environ.get(PASSWORD, "")
    if password:
        yield from (password, b64encode(f"{name}:{password}".encode()).decode())  # as a header holds it
    if token := os.environ.get(TOKEN):
        yield token


def secrets_of(address: str) -> Iterator[str]:
    """The password or token in front of an address's host, and the longer values of its query."""
    if login := LOGIN.search(address):
        secret = login[2][1:] if login[2] else login[1]
        if secret:
            yield secret
    for pair in filter(None, re.split("[&;]", address.partition("?")[2])):
        key, equals, value = pair.partition("=")
        secret = value if equals else key
        if len(secret) >= FEWEST and secret not in PLAIN:
            yield secret
