"""Looking changes nothing: no GET, HEAD or OPTIONS of any address writes a row, whoever sends it.

Mail scanners, link previews and browsers that read ahead open links too. Sessions, and counters of tries, are excepted.
"""

import pytest
from django.db import connection

from tests.scene import Scene

EXCEPTED = {"django_session", "usersessions_usersession", "clinic_cache"}


def state() -> dict[str, tuple]:
    """Of each table how many rows it has, and a sum that changes when any row is written."""
    with connection.cursor() as cursor:
        tables = sorted(set(connection.introspection.table_names(cursor)) - EXCEPTED)
        each = [f"SELECT '{name}', count(*), sum(hashtext(ctid::text || xmin::text)) FROM {name}" for name in tables]
        cursor.execute(" UNION ALL ".join(each))
        return {name: (count, total) for name, count, total in cursor.fetchall()}


@pytest.mark.django_db
def test_no_look_at_any_address_changes_a_row(monkeypatch):
    scene = Scene(monkeypatch)
    addresses = scene.addresses()
    public = [address for address in addresses if not address.path.startswith("/admin/")]
    walks = {
        "nobody": (scene.people["nobody"], public),
        "who holds a time": (scene.holding(), public),
        "anna": (scene.people["anna"], public),
        "desk": (scene.people["Front desk"], [address for address in addresses if "/admin/booking/" in address.path]),
        "everything": (scene.everything(), addresses),
    }
    opened = set()
    before = state()
    assert before["booking_appointment"][0] >= 4
    for who, (browser, walk) in walks.items():
        for address in walk:
            answer = browser.get(address.path + "?action=release&_save=1&sign=1&show=all")
            assert answer.status_code < 500, (who, address)
            if answer.status_code == 200:
                opened.add(address.name)
            if who == "everything":
                assert browser.options(address.path).status_code < 500, address
                assert browser.head(address.path).status_code < 500, address
        after = state()
        assert after == before, (who, {name for name in after if after[name] != before[name]})
    assert len(opened) > 110, sorted({address.name for address in addresses} - opened)


@pytest.mark.django_db
def test_the_state_notices_a_written_row(monkeypatch):
    from clinic.models import Clinic

    scene = Scene(monkeypatch)
    before = state()
    Clinic.objects.update(tagline="Other words.")
    assert {name for name, found in state().items() if found != before[name]} == {"clinic_clinic"}
    scene.call.mark_done(by=scene.surgery.desk, now=scene.call.created_at)
    assert "clinic_callback" in {name for name, found in state().items() if found != before[name]}
