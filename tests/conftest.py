"""What every test gets: the web role instead of the owner, and a cast with names."""

import functools
import gc
import os
import shutil
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection

from screening import definition
from tests.kept import MADE, kept

# Each test throws away what it made: looking for circles of it again and again takes a tenth of the time.
gc.set_threshold(100_000, 50, 50)


LONG = ("test_states_", "test_1_patient", "test_memory", "test_6_content")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Of the browser's tests the long ones begin: else one of them runs on alone when everything else is over."""
    places = [place for place, item in enumerate(items) if "/journey/" in item.nodeid]
    longest_first = sorted((items[place] for place in places), key=lambda item: not any(x in item.nodeid for x in LONG))
    for place, item in zip(places, longest_first, strict=True):
        items[place] = item


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict:
    """The system's Chromium, quiet, and asking nothing of the network; a missing one is a failure, never a skip."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert path or os.environ.get("PLAYWRIGHT_BROWSERS_PATH"), "No Chromium: `make test` installs one."
    return {
        **({"executable_path": path} if path else {}),
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            # No page lives long enough to be worth compiling: the browser would do little else.
            "--js-flags=--no-opt --no-maglev --always-sparkplug",
        ],
    }


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """The transaction around a test that begins with what is kept; no other test runs inside it."""
    marker = item.get_closest_marker("django_db")
    commits = {"transactional_db", "live_server"} & set(item.fixturenames) or (
        marker is not None and (marker.kwargs.get("transaction") or marker.args)
    )
    wanted = "" if commits else next((name for name in MADE if name in item.fixturenames), "")
    if kept.unblock is not None and (wanted or kept.name):
        with kept.unblock():
            kept.open(wanted) if wanted else kept.end()


@pytest.fixture(scope="session", autouse=True)
def definitions_read_once() -> Iterator[None]:
    """A text is parsed once a worker: the same text gives the same questionnaire, and the shipped one takes 0.4 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definition, "parse", functools.cache(definition.parse))
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """From the first test with a database on there is one to keep something in."""
    kept.unblock = django_db_blocker.unblock
    yield
    with kept.unblock(), connection.cursor() as cursor:
        kept.end()
        # a thread of the live server may still hold one, and the database could not be dropped; an autovacuum worker
        # is not ours to end, and lets go by itself
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
    kept.unblock = None


@pytest.fixture(autouse=True)
def counters_begin_at_nothing(request):
    """Counters of tries stand in a table that is no model's: no flush empties it after a test without a rollback."""
    marker = request.node.get_closest_marker("django_db")
    commits = {"transactional_db", "live_server"} & set(request.fixturenames)
    if commits or (marker is not None and marker.kwargs.get("transaction")):
        request.getfixturevalue("transactional_db")
        cache.clear()


@pytest.fixture(autouse=True)
def web_role(request):
    """Tests speak to the database as the site does: as a role that owns nothing. It ends with the rollback."""
    if "transactional_db" in request.fixturenames or "live_server" in request.fixturenames:
        return
    marker = request.node.get_closest_marker("django_db")
    if "db" not in request.fixturenames and marker is None:
        return
    if marker is not None and (marker.kwargs.get("transaction") or (marker.args and marker.args[0])):
        return
    request.getfixturevalue("db")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE clinic_web")
