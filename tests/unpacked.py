"""The page as its scripts show it, for tests that read it as text."""

from __future__ import annotations

import base64
import re
import zlib

PACKED = re.compile(r'<span class="packed" data-packed="([^"]*)"></span>')


def unpack(page: str) -> str:
    """Put the content of every packed element in its place."""
    return PACKED.sub(lambda found: zlib.decompress(base64.b64decode(found[1])).decode(), page)
