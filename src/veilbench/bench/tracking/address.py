"""Checks the address of a tracking store: that its form is allowed, and that a configuration holds no password."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from veilbench.bench.masking import ADDRESS, LOGIN, NAME, PASSWORD, SECRET_KEY, mask_secrets

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https")
PLUGINS = "mlflow.tracking_store"
ALLOWED = "sqlite:///FILE, http://HOST:PORT, https://HOST, postgresql://, mysql://, mssql:// or databricks"

REMEDY = f"set the environment variable {ADDRESS} instead, or {NAME} and {PASSWORD} with an address without them"


def check_address(address: str, where: str) -> None:
    """Check that an address has a form that MLflow accepts.

    Args:
        address: address of a store, such as `sqlite:///mlflow.db` or `https://host:5000`.
        where: name of the setting or variable that holds it, for the error message.

    Raises:
        ValueError: the scheme is unknown, no file or host is named, or characters in the password are not escaped. The
            message hides the password.
    """
    shown = f"{where}={mask_secrets(address, address)}"
    scheme = address.partition(":")[0].partition("+")[0].lower() if ":" in address else address
    if scheme == "databricks" or scheme in {found.name for found in entry_points(group=PLUGINS)}:
        return
    if "://" not in address or scheme not in (*DATABASES, *SERVERS):
        raise ValueError(f"{shown} has the unknown scheme {mask_secrets(scheme, address)!r}; allowed: {ALLOWED}")
    if scheme == "sqlite":
        if not re.match(r"sqlite(\+\w+)?:///(?!:memory:|file:)[^?]", address):
            raise ValueError(f"{shown} names no file; allowed: sqlite:///FILE")
        return
    if re.search(r"[\s/?#]", ((login := LOGIN.search(address)) and login[2]) or ""):
        raise ValueError(f"{shown}: write a space and each of / ? # in a password as %20 %2F %3F %23")
    try:
        host, _ = urlsplit(address).hostname, urlsplit(address).port
    except ValueError as error:
        raise ValueError(f"{shown}: {mask_secrets(str(error), address)}") from None
    if scheme in SERVERS and not host:
        raise ValueError(f"{shown} names no host; allowed: {ALLOWED}")


def check_no_secret(address: str, where: str) -> None:
    """Refuse passwords in the address of a configuration, which is written to disk and shown in the report.

    Raises:
        ValueError: the address holds a password or a token. The message hides it.
    """
    login, is_server = LOGIN.search(address), address.lower().startswith(SERVERS)
    in_login = bool(login and (login[2] or is_server))  # a bare name before a server may be a token
    in_query = "?" in address if is_server else SECRET_KEY.search(address)
    if in_login or in_query:
        raise ValueError(
            f"{where}={mask_secrets(address, address)} holds a password or token, and a configuration is written to "
            f"disk; {REMEDY}"
        )
