"""Anything, sent to every address: never an error page of ours, never something half-written.

The walk reads the forms of each page and sends nonsense into every field, all at once and in turn, as the patient, as
somebody who holds a time, and as a member of staff who may do everything. Words, and what stays in the boxes, are
tested where the forms are; here it is that nothing breaks.
"""

import re
from urllib.parse import quote, urlencode

import pytest
from django.core.management import call_command
from django.test import Client

from booking.models import Appointment
from screening import responses
from tests.make import NOW
from tests.scene import NOWHERE, Scene

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
FIELD = re.compile(r"<(?:input|select|textarea|button)[^>]*\bname=\"([^\"]+)\"")
# What nobody means, from what people mistype to what programs try.
NASTY = [
    "",
    " \t\r\n",
    "0",
    "-1",
    "9" * 30,
    "1e999",
    "٣",
    "0000-00-00",
    "9999-12-31",
    "0001-01-01T00:00",
    "2027-02-30",
    "25:61",
    "' OR 1=1 --",
    "<script>alert(1)</script>{{ 7*7 }}{% now %}",
    "💉\u202e\x07",
    "a" * 20_000,
    NOWHERE["UUID"],
    "../../etc/passwd",
    "4\x00",
    b"4\xff",
]
# What stands in addresses for an argument of each kind.
ELSEWHERE = ["0", "-1", "9" * 25, "x" * 3000, quote("💉"), quote("../..//"), "_5F_0A", NOWHERE["UUID"]]
REFUSED = [  # what no database could store, whatever the address
    ("get", "?q=%00", {}),
    ("get", "?q=%ff", {}),
    ("post", "", {"data": "a%00=1", "content_type": FORM}),
    ("post", "", {"data": "\xff=1".encode("latin-1"), "content_type": FORM}),
]


@pytest.fixture
def scene(monkeypatch, settings):
    settings.ACCOUNT_RATE_LIMITS = False  # limits have tests of their own, and would hide what lies behind them
    return Scene(monkeypatch)


def fields_of(answer) -> list[str]:
    """The names of all fields on a page."""
    if "html" not in answer.get("Content-Type", "") or answer.streaming:
        return []
    names = set(FIELD.findall(answer.content.decode(errors="replace")))
    return sorted(names - {"csrfmiddlewaretoken"})


def whole() -> None:
    """Nothing is half-written: what must always be true is true."""
    call_command("check_invariants")


def test_nonsense_in_every_field_of_every_form_breaks_nothing(scene):
    staff, sent = scene.everything(), 0
    visitor = scene.holding()
    turn = 0
    for address in scene.addresses():
        inside = address.path.startswith("/admin/")
        if address.name in ("account_logout", "logout"):
            continue
        for browser in [staff] if inside else [scene.people["anna"], visitor]:
            fields = fields_of(browser.get(address.path)) or ["action", "next", "id", "q", "reason"]
            # the management form of rows is sent as it was, now and then: behind it are more fields
            kept = {name: "1" for name in fields if name.endswith(("-TOTAL_FORMS", "-INITIAL_FORMS"))}
            for _time in range(2):
                turn += 1
                data = {name: NASTY[(turn + place) % len(NASTY)] for place, name in enumerate(fields)}
                if turn % 2:
                    data |= kept
                answer = browser.post(address.path, urlencode(data), content_type=FORM)
                assert answer.status_code < 500 or answer.status_code == 503, (address, data)
                sent += 1
    assert sent > 300
    whole()


def test_nonsense_in_every_address_and_query_breaks_nothing(scene):
    staff = scene.everything()
    keys = [
        "q",
        "o",
        "p",
        "e",
        "show",
        "day",
        "at",
        "by",
        "first",
        "from",
        "days",
        "treatment",
        "area",
        "slot",
        "to",
        "next",
    ]
    for number, address in enumerate(scene.addresses()):
        browser = staff if address.path.startswith("/admin/") else scene.people["anna"]
        query = {key: NASTY[(number + place) % len(NASTY)][:200] for place, key in enumerate(keys)}
        assert browser.get(address.path, query).status_code < 500, (address, query)
        doubled = "&".join(
            f"{key}={value}&{key}[]=1&{key}=" for key, value in (("day", "x"), ("o", "1.-2.99"), ("p", "-7"))
        )
        assert browser.get(f"{address.path}?{doubled}").status_code < 500, address
        if address.other != address.path or "/1" in address.path:
            for step in range(2):
                nonsense = ELSEWHERE[(number + step) % len(ELSEWHERE)]
                path = re.sub(NOWHERE["UUID"] + "|" + NOWHERE["Int"] + r"|(?<=/)\d+(?=/)", nonsense, address.other)
                answer = browser.get(path)
                assert answer.status_code < 500, path
    whole()


def test_a_million_letters_in_a_field_break_nothing(scene):
    patient, visitor = scene.people["anna"], scene.holding()
    for address in scene.addresses():
        if address.path.startswith("/admin/") or address.name == "account_logout":
            continue
        for browser in (patient, visitor):
            fields = fields_of(browser.get(address.path))
            if fields:
                data = urlencode(dict.fromkeys(fields[:2], "a" * 1_000_000))
                assert browser.post(address.path, data, content_type=FORM).status_code < 500, address
    whole()


def test_every_method_and_what_no_database_stores_is_answered_everywhere(scene):
    visitor = Client()
    for address in scene.addresses():
        if address.path.startswith("/admin/") and "change" not in address.path and "desk" not in address.path:
            continue
        for method in ("put", "delete", "patch", "trace"):
            assert getattr(visitor, method)(address.path).status_code < 500, (method, address)
        for method, query, how in REFUSED:
            assert getattr(visitor, method)(address.path + query, **how).status_code == 400, (method, address, how)


def test_no_form_of_the_site_is_taken_without_its_token(scene):
    strict = Client(enforce_csrf_checks=True)
    session = strict.session
    session.update(dict(scene.holding().session.items()))
    session.save()
    for address in scene.addresses():
        if address.path.startswith("/admin/"):
            continue
        answer = strict.post(address.path, {"action": "release", "agree": "on"})
        assert answer.status_code in (302, 403, 404, 405), address
        assert answer.status_code != 302 or answer.url.startswith("/accounts/"), (address, answer.url)
    assert Appointment.objects.filter(status="proposed").count() == 1


STALE = [None, "", "x", 7, [], {}, ["a"], {"a": 1}, NOWHERE["UUID"]]


def test_a_session_that_points_nowhere_breaks_nothing(scene):
    draft = responses.start(questionnaire=scene.surgery.questionnaire, treatment=None, privacy_version="1", now=NOW)
    gone = str(draft.uuid)
    assert responses.forget(draft)
    keys = ("hold", "screening", "wanted_time", "hold_details", "appointment_grants", "staff_seen", "second_factor")
    mine = ("/book/", "/screening/", "/appointments/", "/my/", "/accounts/login")
    pages = [address.path for address in scene.addresses() if address.path.startswith(mine)]
    for value in (*STALE, gone, str(scene.visit_1.uuid), str(scene.response.uuid)):
        client = Client()
        for turn, path in enumerate(pages):
            session = client.session
            session.update(dict.fromkeys(keys, value))
            session.save()
            send = client.post if turn % 2 else client.get
            assert send(path, {"action": "details", "start": "x"}).status_code < 500, (value, path)
    assert not Appointment.objects.filter(status="proposed").exists()
    whole()


def test_a_form_sent_twice_does_its_work_once(scene, monkeypatch):
    client = scene.people["anna"]
    page = f"/appointments/{scene.visit_0.uuid}/cancel/"
    sent = {"seen": scene.visit_0.fingerprint}
    first, second = client.post(page, sent), client.post(page, sent)
    assert first.status_code == second.status_code == 302
    assert Appointment.objects.get(pk=scene.visit_0.pk).sequence <= scene.visit_0.sequence + 1
    reply = f"/screening/reply/{scene.review.uuid}/"
    for text in ("The first answer.", "The first answer."):
        assert client.post(reply, {"text": text}).status_code == 302
    other = client.post(reply, {"text": "Another answer."})  # not the same form twice: what is not kept is shown
    assert other.status_code == 200 and "Another answer." in other.content.decode()
    from screening.models import Reply

    assert Reply.objects.filter(review=scene.review).count() == 1
    whole()
