"""The worker's command: what is due by the clock happens, and one thing that fails stops no other."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from clinic import accounts
from clinic.management.commands import send_due
from clinic.models import User
from outbox import messages, worker
from outbox.models import Message

pytestmark = pytest.mark.django_db(transaction=True)


def queued(key, **changes):
    words = {"when": "Thursday", "where": "Harbour Street", "link": "https://clinic.example/a/"}
    return messages.queue("booked", key=key, to="anna@example.org", context=words, now=timezone.now(), **changes)


def test_once_sends_all_that_is_due_and_ends(capsys):
    for number in range(3):
        queued(str(number))
    queued("later", due_at=timezone.now() + timedelta(hours=1))
    call_command("send_due")
    assert len(mail.outbox) == 3 and "3 messages taken" in capsys.readouterr().out
    assert list(Message.objects.filter(state="queued").values_list("key", flat=True)) == ["later"]


def test_what_the_clock_brings_about_happens(db):
    user = accounts.user_for("gone@example.org")
    User.objects.filter(pk=user.pk).update(date_joined=timezone.now() - timedelta(hours=25))
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now() - timedelta(minutes=1))
    Session.objects.create(session_key="new", session_data="", expire_date=timezone.now() + timedelta(minutes=1))
    call_command("send_due")
    assert not User.objects.filter(pk=user.pk).exists()
    assert [session.session_key for session in Session.objects.all()] == ["new"]


def test_one_thing_that_fails_stops_no_other(monkeypatch, caplog):
    def broken(*, now):
        raise RuntimeError("no")

    done = []
    monkeypatch.setattr(send_due, "CLOCKS", (broken, lambda *, now: done.append(now)))
    queued("a")
    call_command("send_due")
    assert len(done) == 1 and len(mail.outbox) == 1 and "broken failed" in caplog.text


def test_a_turn_of_the_loop_is_seen_on_the_first_page(monkeypatch):
    import threading

    command = send_due.Command()
    command.stop = threading.Event()
    command.last_tidy = command.last_beat = float("-inf")
    assert worker.health(now=timezone.now())["worker_seen"] is None
    queued("a")
    assert command.turn() == 5.0
    assert len(mail.outbox) == 1
    assert worker.health(now=timezone.now())["worker_seen"] is not None


def test_it_calls_every_app_that_waits_for_the_clock():
    from booking.sweep import sweep
    from screening import responses

    assert {sweep, responses.forget_expired, worker.forget_codes} <= set(send_due.CLOCKS)
