"""What is written: once an event, in neutral words, with nothing that could begin another header."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from clinic.models import Clinic, Location, User
from outbox import messages, worker
from outbox.models import Message
from tests import make

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
WORDS = {
    "code": "K7QX2M",
    "when": "Thursday 10 December 2026, 10:30",
    "where": "Harbour Street\n1 Harbour Street, Bristol\n0117 496 0101",
    "link": "https://clinic.example/appointments/link/abc/",
    "answer_by": "Wednesday 2 December 2026, 17:00",
    "form_due_by": "Sunday 6 December 2026, 10:30",
}
# LOOK: never on a patient's page or message.
BANNED = (
    "safe|cleared|passed|perfect|flaw|imperfection|suffer|transform"
    "|painless|permanent|guaranteed|only today|only 2 left"
)
# Nothing that tells a reader over the shoulder what it is about.
CLINICAL = (
    "microneedling|needle|needling|scars?|skin|acne|keloid|isotretinoin|treatments?|sessions?|consultation|clinician"
    "|clinical|nurse|doctor|medical|medicines?|health|screening|questionnaire|review|symptoms?|consent|suitable"
    "|contraindicated|deferred|not right for you|patient"
)


@pytest.fixture
def clinic(db):
    Location.objects.create(
        name="Harbour Street",
        slug="harbour",
        address="1 Harbour Street",
        phone="+441174960101",
        out_of_hours="Call 111 at night & at weekends.",
        emergency="Call 999.",
    )
    return Clinic.objects.create(id=1, name="Scar Clinic Bristol", sender_name="Harbour Street", phone="+441174960100")


def queued(kind="booked", **changes):
    return messages.queue(
        kind, **{"key": f"{kind}:1", "to": "anna@example.org", "context": WORDS, "now": NOW, **changes}
    )


@pytest.mark.parametrize("kind", sorted(messages.KINDS))
def test_every_kind_is_plain_and_html_and_ends_with_whom_to_call(clinic, kind):
    message = queued(kind)
    assert message.subject and "\n" not in message.subject
    end = message.text[-300:]
    assert "+44 117 496 0100" in end and "Call 111 at night & at weekends." in end
    assert "+44 117 496 0100" in message.html and "Call 111 at night &amp; at weekends." in message.html
    assert not re.search(r"\{[{%]", message.text + message.html) and "&amp;" not in message.text
    assert "{" not in message.text
    for word in messages.KINDS[kind]:
        for line in WORDS[word].splitlines():
            assert line in message.text and line in message.html
    assert re.search(r"\n{3,}", message.text) is None
    assert not re.search(r"style=|<script|<img|src=", message.html)


@pytest.mark.parametrize("kind", sorted(messages.KINDS))
def test_no_kind_says_anything_about_health_or_promises_too_much(clinic, kind):
    message = queued(kind)
    for text in (message.subject, message.text, re.sub(r"<[^>]+>", " ", message.html)):
        assert not re.search(rf"\b({BANNED}|{CLINICAL})\b", text, re.IGNORECASE), text


def test_every_kind_has_a_name_for_staff():
    assert messages.NAMES.keys() == messages.KINDS.keys()


def test_a_code_is_not_in_the_subject(clinic):
    assert WORDS["code"] not in queued("code").subject


def test_an_unconfirmed_time_says_not_to_travel(clinic):
    for kind in ("asked_for", "back_to_pending"):
        assert "do not travel" in queued(kind).text
    assert "do not travel" not in queued("booked").text


def test_the_same_event_is_one_message(clinic):
    first = queued(key="booked:7:0")
    assert queued(key="booked:7:0", to="other@example.org", kind="moved") == first
    assert Message.objects.count() == 1
    assert queued(key="booked:7:1") != first


def test_a_repeated_event_does_not_break_the_transaction_around_it(clinic):
    queued(key="a")
    queued(key="a")
    assert Message.objects.filter(key="a").count() == 1


def test_an_unknown_kind_or_a_missing_word_is_refused(clinic):
    with pytest.raises(LookupError):
        queued("advert")
    with pytest.raises(LookupError, match="answer_by"):
        queued("asked_for", context={key: WORDS[key] for key in WORDS if key != "answer_by"})
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "to", ["anna@example.org\nBcc: all@example.org", "a@b@c", "", "anna@example.org, b@example.org"]
)
def test_an_address_that_is_more_than_one_address_is_refused(clinic, to):
    with pytest.raises(ValidationError):
        queued(to=to)
    assert not Message.objects.exists()


def test_it_is_written_before_the_clinic_is_set_up(db):
    assert "Our number is on our pages" in queued().text


def test_dropping_takes_back_only_what_waits_about_it(clinic):
    about = uuid4()
    waiting = queued(key="1", subject_uuid=about)
    other_kind = queued("form_due", key="2", subject_uuid=about)
    elsewhere = queued(key="3", subject_uuid=uuid4())
    out = queued(key="4", subject_uuid=about)
    Message.objects.filter(pk=out.pk).update(state="sent", sent_at=NOW)
    assert messages.drop(about, kinds=["form_due"]) == 1
    assert messages.drop(about) == 1
    states = dict(Message.objects.values_list("key", "state"))
    assert states == {"1": "dropped", "2": "dropped", "3": "queued", "4": "sent"}
    assert waiting.pk and other_kind.pk and elsewhere.pk


def test_sending_again_is_a_new_event_with_a_name(clinic):
    staff = User.objects.create_user("desk@example.org", is_staff=True)
    original = queued()
    Message.objects.filter(pk=original.pk).update(state="sent", sent_at=NOW)
    copy = messages.resend(original, by=staff, now=NOW)
    assert (copy.state, copy.resend_of, copy.resent_by, copy.text) == ("queued", original, staff, original.text)
    assert copy.key != original.key
    assert messages.resend(original, by=staff, now=NOW) == copy, "pressed twice"
    Message.objects.filter(pk=copy.pk).update(state="sent", sent_at=NOW)
    assert messages.resend(original, by=staff, now=NOW) != copy


def told(number, patient, about, **changes):
    """A message about something that a patient has had."""
    state = {"state": "sent", "sent_at": NOW, "claimed_at": NOW} | changes.pop("state", {})
    message = queued(key=f"event:{number}", patient=patient, subject_uuid=about, to="anna@example.org", **changes)
    Message.objects.filter(pk=message.pk).update(**state)
    return message


def test_what_a_newer_message_has_overtaken_is_not_sent_again(clinic):
    staff, patient, about = make.make_user("Front desk"), make.make_patient(email="anna@example.org"), uuid4()
    booked = told(1, patient, about, calendar="STATUS:CONFIRMED")
    cancelled = told(2, patient, about, kind="cancelled")
    with pytest.raises(messages.CannotResend, match="written to about this again since"):
        messages.resend(booked, by=staff, now=NOW)
    copy = messages.resend(cancelled, by=staff, now=NOW)
    Message.objects.filter(pk=copy.pk).update(state="sent", sent_at=NOW)
    assert messages.resend(cancelled, by=staff, now=NOW).resend_of == cancelled, "a copy of itself is no newer message"
    told(3, patient, about)
    with pytest.raises(messages.CannotResend):
        messages.resend(copy, by=staff, now=NOW)


@pytest.mark.parametrize("newer", ["to staff", "about another", "to another", "taken back", "refused and taken back"])
def test_what_tells_that_patient_nothing_newer_of_it_does_not_count(clinic, newer):
    staff, patient, about = make.make_user("Front desk"), make.make_patient(email="anna@example.org"), uuid4()
    booked = told(1, patient, about)
    match newer:
        case "to staff":
            told(2, None, about, kind="review_due")
        case "about another":
            told(2, patient, uuid4())
        case "to another":
            told(2, make.make_patient(), about)
        case "taken back":
            queued("cancelled", patient=patient, subject_uuid=about)
            messages.drop(about)
        case "refused and taken back":
            waiting = queued("cancelled", patient=patient, subject_uuid=about)
            Message.objects.filter(pk=waiting.pk).update(state="sending", claimed_at=NOW, attempts=1)
            waiting.refresh_from_db()
            worker.put_back(waiting, "no mail server", lasting=False, now=NOW)
            messages.drop(about)
    assert messages.resend(booked, by=staff, now=NOW).resend_of == booked


def test_what_was_perhaps_sent_and_then_left_alone_counts_as_told(clinic):
    staff, patient, about = make.make_user("Front desk"), make.make_patient(email="anna@example.org"), uuid4()
    booked = told(1, patient, about)
    unclear = told(2, patient, about, kind="cancelled", state={"state": "sending", "sent_at": None})
    assert messages.settle(unclear, now=NOW + timedelta(minutes=11))
    with pytest.raises(messages.CannotResend, match="written to about this again since"):
        messages.resend(booked, by=staff, now=NOW)


def test_patients_read_what_went_out_to_them_and_nobody_elses(client, clinic):
    patient, other = make.make_patient(user=make.make_user()), make.make_patient()
    client.force_login(patient.user)
    assert "We have not written to you yet" in client.get("/my/").content.decode()
    for number in range(7):
        day = {"sent_at": NOW + timedelta(days=number), "subject": f"Word {number}"}
        told(number, patient, uuid4(), state={"state": "sent", **day})
    told(7, other, uuid4(), state={"state": "sent", "subject": "Word of another"})
    told(8, patient, uuid4(), state={"state": "queued", "sent_at": None, "subject": "Word that waits"})
    page = client.get("/my/").content.decode()
    assert re.findall("Word [^<]+", page) == [f"Word {number}" for number in (6, 5, 4, 3, 2)]
    assert "Monday 7 December 2026" in page and "?messages=all" in page
    assert WORDS["link"] not in page and WORDS["where"].splitlines()[1] not in page
    page = client.get("/my/?messages=all").content.decode()
    assert len(re.findall("Word [^<]+", page)) == 7 and "?messages=all" not in page
    assert "Word of another" not in page


def test_who_is_no_patient_yet_reads_of_no_messages(client, clinic):
    told(1, None, uuid4(), state={"state": "sent", "sent_at": NOW, "subject": "Word to nobody's record"})
    client.force_login(make.make_user())
    page = client.get("/my/?messages=all").content.decode()
    assert "Our messages to you" not in page and "Word to nobody" not in page


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE outbox_message SET state = 'queued', sent_at = NULL, claimed_at = NULL",
        "UPDATE outbox_message SET sent_at = now()",
        "UPDATE outbox_message SET key = key || '-again'",
        "DELETE FROM outbox_message",
    ],
)
def test_what_was_sent_stays_sent_under_its_key(clinic, sql):
    message = told(1, make.make_patient(), uuid4())
    with pytest.raises(IntegrityError, match="keeps its key"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(state="queued", sent_at=None)
    Message.objects.filter(pk=message.pk).update(text="", html="")  # its words may go
    message.refresh_from_db()
    assert (message.state, message.text) == ("sent", "")


def test_a_message_is_in_a_state_that_the_worker_knows(clinic):
    message = queued(key="event:1")
    with pytest.raises(IntegrityError, match="state_is_known"), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(state="waiting")
    Message.objects.filter(pk=message.pk).update(state="dropped")


def test_a_copy_goes_to_the_address_of_now(clinic):
    staff, patient, about = make.make_user("Front desk"), make.make_patient(email="anna@example.org"), uuid4()
    booked = told(1, patient, about)
    waiting = messages.resend(booked, by=staff, now=NOW)
    patient.email = "anna.new@example.org"
    patient.save()
    copy = messages.resend(booked, by=staff, now=NOW)
    assert (waiting.to, copy.to) == ("anna@example.org", "anna.new@example.org")
    assert messages.resend(booked, by=staff, now=NOW) == copy
    patient.email = ""
    patient.save()
    with pytest.raises(messages.CannotResend, match="no e-mail address"):
        messages.resend(booked, by=staff, now=NOW)


def test_what_could_not_be_sent_can_be_taken_off_the_list(clinic):
    message = queued()
    Message.objects.filter(pk=message.pk).update(state="failed")
    assert messages.settle(message, now=NOW)
    assert not Message.objects.needs_somebody(now=NOW).exists()
    assert not messages.settle(queued(key="waits"), now=NOW)


@pytest.mark.parametrize("state", ["queued", "dropped", "sending"])
def test_what_goes_out_anyway_or_is_not_needed_is_not_sent_again(clinic, state):
    staff = User.objects.create_user("desk@example.org", is_staff=True)
    message = queued()
    Message.objects.filter(pk=message.pk).update(state=state, claimed_at=NOW)
    with pytest.raises(messages.CannotResend):
        messages.resend(message, by=staff, now=NOW)
    assert Message.objects.count() == 1


def test_an_unclear_message_is_sent_again_or_settled_by_somebody(clinic):
    staff = User.objects.create_user("desk@example.org", is_staff=True)
    later = NOW + timedelta(minutes=11)
    for key in ("a", "b"):
        Message.objects.filter(pk=queued(key=key).pk).update(state="sending", claimed_at=NOW)
    assert Message.objects.unclear(now=NOW + timedelta(minutes=9)).count() == 0
    first, second = Message.objects.unclear(now=later).order_by("key")
    messages.resend(first, by=staff, now=later)
    assert list(Message.objects.unclear(now=later)) == [second]
    assert messages.settle(second, now=later)
    assert not messages.settle(second, now=later)
    assert not Message.objects.unclear(now=later).exists()


@pytest.mark.parametrize("kind", messages.SECRETS)
def test_what_opens_an_account_is_never_sent_again(clinic, kind):
    staff = User.objects.create_user("desk@example.org", is_staff=True)
    message = queued(kind)
    Message.objects.filter(pk=message.pk).update(state="sent", sent_at=NOW)
    with pytest.raises(messages.CannotResend):
        messages.resend(message, by=staff, now=NOW)
