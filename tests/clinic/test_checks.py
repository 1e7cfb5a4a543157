"""What `check --deploy` warns of."""

import pytest

from clinic import checks

WEB, OWNER = "postgresql://clinic_web@db/clinic", "postgresql://clinic_owner@db/clinic"


@pytest.mark.parametrize(
    ("web", "owner", "warned"),
    [
        (WEB, OWNER, False),
        (OWNER, "", True),
        (OWNER, OWNER, True),
        (OWNER, OWNER.replace("db/", "pgbouncer/"), True),
        ("", "", False),  # the embedded server: it has both
    ],
)
def test_one_database_role_is_warned_of(monkeypatch, web, owner, warned):
    monkeypatch.setenv("DATABASE_URL", web)
    monkeypatch.setenv("DATABASE_OWNER_URL", owner)
    assert [warning.id for warning in checks.two_database_roles(None)] == (["clinic.W001"] if warned else [])
