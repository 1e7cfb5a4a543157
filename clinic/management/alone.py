"""One process at a time: two that start together do not make the same thing twice."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import OutputWrapper
from django.db import DEFAULT_DB_ALIAS, connections


@contextmanager
def alone(what: str, said_to: OutputWrapper, *, database: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Waits until no other process does `what` on this database, and says so there (`said_to`) where it has to wait.

    The lock is an advisory one of a connection of its own: what is done inside may begin and end transactions, and it
    works behind a pooler. It ends with the block, or with the process.
    """
    own = connections[database].copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [what])
            if not cursor.fetchone()[0]:
                said_to.write(f"Waiting for another process: {what}.")
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])
        yield
    finally:
        own.close()
