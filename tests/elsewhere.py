"""For tests that start another process."""

from urllib.parse import quote

from django.db import connection


def address_of_database() -> str:
    """The database of the test as an address for another process."""
    at = connection.get_connection_params()
    host, port = at.get("host", ""), at.get("port", "")
    who = quote(at.get("user", "")) + (f":{quote(at['password'])}" if at.get("password") else "")
    if host.startswith("/"):
        return f"postgresql://{who}@/{at['dbname']}?host={host}" + (f"&port={port}" if port else "")
    return f"postgresql://{who}@{host}" + (f":{port}" if port else "") + f"/{at['dbname']}"
