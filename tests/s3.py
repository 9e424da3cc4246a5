"""S3 on this machine, for tests: the server of moto on the loopback interface, which keeps all in memory."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LACKING = any(find_spec(name) is None for name in ("boto3", "moto"))  # they need not be installed
BUCKET = "results"
KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class Storage:
    """A server that runs, with a bucket.

    Attributes:
        address: its address, http://HOST:PORT.
    """

    address: str

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.address, region_name=KEYS["AWS_DEFAULT_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def names(self) -> list[str]:
        """Return the names of all objects in the bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]


@contextmanager
def start_s3(folder: Path) -> Iterator[Storage]:
    """Run a server within the block; its log is in the folder."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = int(one.getsockname()[1])
    with (folder / "s3.log").open("w") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        storage, ends = Storage(f"http://127.0.0.1:{port}"), time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None, (folder / "s3.log").read_text()
            assert time.monotonic() < ends
            time.sleep(0.2)
        storage.client().create_bucket(Bucket=BUCKET)
        yield storage
    finally:
        process.terminate()
        process.wait()
