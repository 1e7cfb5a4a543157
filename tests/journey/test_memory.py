"""What one web process weighs when people have walked through the site: gunicorn as `make run` starts it, in a process
of its own, on the database of the test. The first story is walked here with a finger on a small phone; how its pages
look there is seen in test_states_*.py."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command

from tests.elsewhere import address_of_database
from tests.journey.conftest import sign_in
from tests.journey.hands import Mouse
from tests.journey.test_1_patient import (
    answer_the_questions,
    ask_for_a_time,
    ask_for_another,
    move_and_cancel_from_the_link,
    read_and_look,
    read_and_sign,
)

pytestmark = pytest.mark.django_db(transaction=True)

MOST_MEGABYTES = 150


def resident(pid: int) -> float:
    """The resident memory of a process in megabytes of 1,000,000 bytes."""
    kilobytes = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert kilobytes
    return int(kilobytes[1]) * 1024 / 1_000_000


def workers_of(pid: int) -> list[int]:
    """The processes that a gunicorn has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(autouse=True)
def clock() -> None:
    """Now: another process cannot be told another time."""


@pytest.fixture
def served(transactional_db, settings, tmp_path):
    """gunicorn with one process and eight threads. Yields its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    settings.PUBLIC_URL, settings.DEBUG = address, True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # as the process checks them
    call_command("setup_clinic", verbosity=0)
    call_command("demo", patients=13, verbosity=0)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "clinic.settings",
        "DATABASE_URL": address_of_database(),
        "DATABASE_OWNER_URL": "",
        "PUBLIC_URL": address,
    }
    gunicorn = [sys.executable, "-m", "gunicorn", "clinic.wsgi", "--bind", f"127.0.0.1:{port}"]
    with (tmp_path / "gunicorn.log").open("w") as log:
        process = subprocess.Popen(
            [*gunicorn, "--workers", "1", "--threads", "8", "--log-level", "warning"],
            cwd=django_settings.BASE_DIR,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(address, process, tmp_path / "gunicorn.log")
        yield address, process
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    """Until the site answers; fails with its log when it ends or takes a minute."""
    for _try in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def site(served) -> str:
    """Takes the place of the live server, which is a thread of the tests."""
    return served[0]


def test_a_web_process_stays_small_after_the_journey(served, someone, eyes):
    eyes.ways = False
    small = {"width": 360, "height": 740, "has_touch": True}
    patient, clinician, desk = Mouse(someone(**small)), Mouse(someone()), someone()
    read_and_look(patient, eyes)
    answer_the_questions(patient, eyes)
    visit = ask_for_a_time(patient, eyes)
    read_and_sign(clinician, eyes, visit)
    move_and_cancel_from_the_link(Mouse(someone(**small)), eyes, visit)
    ask_for_another(patient, eyes)
    sign_in(desk, "desk")
    for link in ("booking/appointment/", "booking/appointment/desk/", "clinic/patient/", "outbox/message/"):
        desk.goto(f"/admin/{link}")
        assert desk.locator("h1").count() == 1, link
    [worker] = workers_of(served[1].pid)
    weight = resident(worker)
    print(f"one web process after the journey: {weight:.0f} MB")  # noqa: T201
    assert weight < MOST_MEGABYTES
