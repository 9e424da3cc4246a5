from __future__ import annotations

from pathlib import Path
from typing import Any


class Seen:
    """A browser page on the report, with what it complained of and what it asked for; `shots` is for screenshots."""

    def __init__(self, browser: Any, report: Path, shots: Path | None, **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.shots = shots
        self.page = browser.new_context(**context).new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri())

    def shot(self, name: str) -> None:
        if self.shots:
            self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)

    def column(self, index: int) -> list[str]:
        script = f"[...document.querySelectorAll('.board tbody tr')].map(r => r.cells[{index}].dataset.key)"
        return list(self.page.evaluate(script))

    def width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def background(self) -> str:
        return str(self.page.evaluate("getComputedStyle(document.body).backgroundColor"))
