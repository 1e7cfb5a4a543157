"""Two processes that start together: the second waits, and says so."""

import os
import subprocess
import sys
import threading

import pytest
from django.conf import settings
from django.core.management.base import OutputWrapper

from clinic.management.alone import alone
from tests.elsewhere import address_of_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("command", ["migrate", "setup_clinic", "demo"])
def test_a_second_process_waits_for_the_first_and_says_so(command, capsys):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "clinic.settings",
        "DATABASE_URL": address_of_database(),
        "DATABASE_OWNER_URL": address_of_database(),
    }
    words = [sys.executable, "manage.py", command]
    with alone(command, OutputWrapper(sys.stderr)):
        second = subprocess.Popen(
            words, cwd=settings.BASE_DIR, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert second.stderr.readline().strip() == f"Waiting for another process: {command}."
        assert second.poll() is None
        if command != "migrate":  # what it would make is tested elsewhere, and takes its time
            second.kill()
    assert capsys.readouterr().err == "", "the first need not wait"
    told = second.communicate(timeout=60)[1]
    assert command != "migrate" or second.returncode == 0, told


def test_it_ends_with_the_block_whatever_happens_there_and_holds_up_nothing_else():
    entered = threading.Event()

    def somebody_else() -> None:
        with alone("this", OutputWrapper(sys.stderr)):
            entered.set()

    with pytest.raises(ZeroDivisionError), alone("this", OutputWrapper(sys.stderr)):
        with alone("that", OutputWrapper(sys.stderr)):
            pass
        other = threading.Thread(target=somebody_else)
        other.start()
        assert not entered.wait(0.3)
        raise ZeroDivisionError
    other.join(timeout=10)
    assert entered.is_set()
