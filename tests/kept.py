"""What many tests begin with, made once and kept: in a transaction around theirs, to which each of them rolls back.

A fixture that asks for one of MADE by its name is a name of `item.fixturenames`: that is how the transaction is opened
before the test's own. Whatever else runs on this worker in between ends it, so nobody meets rows they did not ask for.
"""

import pickle
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

# name of a fixture -> what makes its rows, as the role of the site
MADE: dict[str, Callable[[], Any]] = {}


class Kept:
    """The one transaction around tests, and what was made in it."""

    def __init__(self) -> None:
        self.name = ""
        self.around: transaction.Atomic | None = None
        self.things = b""
        self.unblock: Callable | None = None  # there is a database

    def open(self, name: str) -> None:
        """Opens the transaction for a fixture and makes its rows, unless it is open for it."""
        if self.name == name and connection.in_atomic_block and not connection.closed_in_transaction:
            return
        self.end()
        self.around = transaction.atomic()
        self.around.__enter__()
        self.name = name
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE clinic_web")
        self.things = pickle.dumps(MADE[name]())

    def end(self) -> None:
        """Takes back all of it; also when a test has lost the connection, and PostgreSQL with it all that was made."""
        if self.around is not None and connection.in_atomic_block:
            transaction.set_rollback(True)
            self.around.__exit__(None, None, None)
        self.name, self.around = "", None

    def fresh(self, name: str) -> Any:
        """Each test has its own copy of the objects; outside of the transaction they are made."""
        return pickle.loads(self.things) if self.name == name else MADE[name]()


kept = Kept()
