"""Lets one process at a time create the tables of a database on a server: two that do it at once break each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

KEY = 8_345_140_071  # of the lock among those of the database; any number that others do not use
WAIT = 60  # seconds that MySQL waits for another process
LOCKS = {
    "postgresql": f"SELECT pg_advisory_lock({KEY})",
    "mysql": f"SELECT GET_LOCK(CONCAT(DATABASE(), '{KEY}'), {WAIT})",
}


@contextmanager
def lock_database(address: str) -> Iterator[None]:
    """Exclude other processes of all machines within the block; does nothing for what is no database on a server.

    The server releases the lock when the connection ends, however it ends.

    Args:
        address: address of the database as SQLAlchemy takes it.
    """
    command = LOCKS.get(address.partition("://")[0].partition("+")[0].lower())
    if command is None:
        yield
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    with create_engine(address, poolclass=NullPool).connect() as connection:
        connection.execute(text(command))
        yield
