"""What is sent, when it is tried again, and when nobody knows."""

import smtplib
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from clinic.models import Clinic
from outbox import messages, worker
from outbox.models import Message

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
ICS = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:PUBLISH\r\nEND:VCALENDAR\r\n"

# The claim is committed by itself (durable): a real transaction, not the rolled-back one of other tests.
pytestmark = pytest.mark.django_db(transaction=True)


def queued(key="booked:1", kind="booked", **changes):
    words = {"when": "Thursday", "where": "Harbour Street", "link": "https://clinic.example/a/", "code": "K7QX2M"}
    return messages.queue(kind, **{"key": key, "to": "anna@example.org", "context": words, "now": NOW, **changes})


@pytest.fixture
def server(monkeypatch):
    """A mail server that answers with what the test puts into `answers`, then takes everything."""
    answers: list = []

    class Server(EmailBackend):
        def open(self):
            if answers and isinstance(answers[0], ConnectionRefusedError):
                raise answers.pop(0)

        def send_messages(self, batch):
            if answers:
                raise answers.pop(0)
            return super().send_messages(batch)

    monkeypatch.setattr(worker, "get_connection", lambda **_options: Server())
    return answers


def test_what_is_due_goes_out_once_oldest_first(server):
    queued("b", due_at=NOW - timedelta(minutes=1))
    queued("a", due_at=NOW - timedelta(minutes=2))
    queued("later", due_at=NOW + timedelta(minutes=1))
    assert worker.send_due(now=NOW) == 2
    assert worker.send_due(now=NOW) == 0
    uuids = {str(m.uuid): m.key for m in Message.objects.all()}
    assert [uuids[m.extra_headers["Message-ID"].strip("<>").split("@")[0]] for m in mail.outbox] == ["a", "b"]
    sent = Message.objects.get(key="a")
    assert (sent.state, sent.attempts) == ("sent", 1) and sent.sent_at - NOW < timedelta(seconds=10)
    assert Message.objects.get(key="later").state == "queued"


def test_the_limit_is_kept(server):
    for key in "abc":
        queued(key)
    assert worker.send_due(now=NOW, limit=2) == 2
    assert Message.objects.filter(state="queued").count() == 1


def test_the_mail_has_both_forms_the_file_and_a_stable_id(server):
    Clinic.objects.create(id=1, name="Scar Clinic", sender_name="Harbour\nBcc: all@example.org")
    message = queued(calendar=ICS)
    worker.send_due(now=NOW)
    (out,) = mail.outbox
    parsed = out.message()
    assert parsed["Message-ID"] == f"<{message.uuid}@testserver>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Bcc"] is None and parsed["From"] == '"Harbour Bcc: all@example.org" <clinic@localhost>'
    kinds = [part.get_content_type() for part in parsed.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "text/calendar"]
    calendar = next(part for part in parsed.walk() if part.get_content_type() == "text/calendar")
    assert calendar.get_param("method") == "PUBLISH" and calendar.get_filename() == "appointment.ics"
    assert calendar.get_payload(decode=True).decode() == ICS


@pytest.mark.parametrize(
    "answer",
    [
        smtplib.SMTPDataError(451, b"later"),
        smtplib.SMTPRecipientsRefused({"anna@example.org": (450, b"greylisted")}),
        smtplib.SMTPSenderRefused(421, b"busy", "clinic@localhost"),
    ],
)
def test_a_refusal_is_tried_again_later_and_later(server, answer):
    message = queued()
    waits, moment = [], NOW
    for _try in range(3):
        server.append(answer)
        assert worker.send_due(now=moment) == 1
        message.refresh_from_db()
        assert message.state == "queued" and message.last_error and not mail.outbox
        waits.append(round((message.due_at - moment).total_seconds() / 60))
        assert worker.send_due(now=moment) == 0, "not before it is due"
        moment = message.due_at
    assert waits == [1, 5, 15]
    assert worker.send_due(now=moment) == 1
    message.refresh_from_db()
    assert (message.state, len(mail.outbox), message.last_error) == ("sent", 1, "")


def test_after_a_day_of_refusals_it_is_given_up(server):
    message, moment = queued(), NOW
    while message.state == "queued":
        server.append(smtplib.SMTPDataError(451, b"later"))
        worker.send_due(now=moment)
        message.refresh_from_db()
        moment = message.due_at
    assert (message.state, message.attempts) == ("failed", len(worker.BACK_OFF) + 1)
    assert not mail.outbox


def test_without_a_server_all_waits_and_goes_out_minutes_after_it_is_back(server):
    tried, other = queued("1"), queued("2", due_at=NOW + timedelta(seconds=1))
    moment = NOW
    while moment < NOW + timedelta(hours=30):
        server.append(ConnectionRefusedError())
        assert worker.send_due(now=moment) == 0, "nothing else leaves either: one look is enough"
        assert not server
        tried.refresh_from_db(), other.refresh_from_db()
        assert worker.health(now=moment)["late"] == (moment > NOW), "staff see it, also between two looks"
        moment += timedelta(minutes=30)
    for message in (tried, other):
        assert (message.state, message.attempts, message.claimed_at) == ("queued", 0, None)
    assert "no mail server" in tried.last_error and max(tried.due_at, other.due_at) <= moment
    assert worker.send_due(now=moment) == 2
    tried.refresh_from_db()
    assert (tried.state, tried.attempts, tried.last_error, len(mail.outbox)) == ("sent", 1, "", 2)


def test_an_outage_uses_up_none_of_the_tries_of_a_message(server):
    message = queued()
    busy = smtplib.SMTPDataError(451, b"later")
    for answer in (busy, ConnectionRefusedError(), busy):
        server.append(answer)
        worker.send_due(now=message.due_at)
        message.refresh_from_db()
    assert (message.state, message.attempts) == ("queued", 2)
    server.append(ConnectionRefusedError())
    worker.send_due(now=NOW + worker.OUTAGE + timedelta(minutes=1))
    message.refresh_from_db()
    assert (message.state, message.attempts) == ("failed", 2), "not for ever"


def test_an_address_that_does_not_exist_is_not_tried_again(server):
    message = queued()
    server.append(smtplib.SMTPRecipientsRefused({"anna@example.org": (550, b"no such user")}))
    worker.send_due(now=NOW)
    message.refresh_from_db()
    assert message.state == "failed" and "550" in message.last_error and "anna" not in message.last_error


@pytest.mark.parametrize("answer", [smtplib.SMTPServerDisconnected("gone"), TimeoutError(), OSError()])
def test_a_line_that_breaks_leaves_it_unclear_and_nothing_sends_it_again(server, answer):
    message = queued()
    server.append(answer)
    worker.send_due(now=NOW)
    later = NOW + timedelta(hours=3)
    assert worker.send_due(now=later) == 0
    message.refresh_from_db()
    assert message.state == "sending" and not mail.outbox
    assert list(Message.objects.unclear(now=later)) == [message]


def test_one_bad_message_does_not_keep_the_others(server):
    bad, good = queued("1"), queued("2")
    Message.objects.filter(pk=bad.pk).update(to="anna@example.org\nBcc: x@example.org")
    assert worker.send_due(now=NOW) == 2
    bad.refresh_from_db(), good.refresh_from_db()
    assert (bad.state, good.state, len(mail.outbox)) == ("failed", "sent", 1)


def test_the_words_of_a_code_are_gone_once_it_is_sent(server):
    code, other = queued("c", kind="code"), queued("b")
    worker.send_due(now=NOW)
    code.refresh_from_db(), other.refresh_from_db()
    assert "K7QX2M" in mail.outbox[0].body
    assert (code.state, code.text, code.html) == ("sent", "", "") and other.text


def test_a_code_that_no_longer_works_is_neither_sent_nor_kept(server):
    code = queued(kind="code")
    server += [ConnectionRefusedError() for _try in range(60)]
    moment = NOW
    while code.state == "queued":
        worker.send_due(now=moment)
        code.refresh_from_db()
        moment = code.due_at
    assert code.state == "failed" and code.text == "" and moment - NOW < timedelta(minutes=15)
    late = queued("late", kind="code")
    assert worker.forget_codes(now=NOW + timedelta(minutes=14)) == 0
    assert worker.forget_codes(now=NOW + timedelta(minutes=16)) == 1
    late.refresh_from_db()
    assert (late.state, late.text) == ("dropped", "")


def test_no_worker_yet_is_no_alarm_until_something_waits(server):
    health = worker.health(now=NOW)
    assert (health["worker_seen"], health["late"]) == (None, False)
    queued(due_at=NOW)
    assert not worker.health(now=NOW + timedelta(minutes=15))["late"]
    assert worker.health(now=NOW + timedelta(minutes=15, seconds=1))["late"]


def test_health_tells_a_worker_that_stands_still(server):
    worker.beat(now=NOW)
    assert not worker.health(now=NOW)["late"]
    assert worker.health(now=NOW + timedelta(minutes=16))["late"], "no worker seen"
    queued(due_at=NOW)
    worker.beat(now=NOW + timedelta(minutes=16))
    health = worker.health(now=NOW + timedelta(minutes=16))
    assert health["late"] and health["oldest_unsent"] == NOW
    worker.send_due(now=NOW + timedelta(minutes=16))
    health = worker.health(now=NOW + timedelta(minutes=16))
    assert not health["late"] and health["oldest_unsent"] is None and health["last_sent"]
