"""Who sees what, by any door: every address, as nobody, as the patient, as another patient, and as each role.

What another's uuid answers looks the same as what no uuid answers. Health answers, a clinician's words and conditions
are read by their patient and by clinicians, and by nobody else on any page, in any search, in any message.
"""

import re

import pytest
from django.test import Client

from outbox.models import Message
from tests.booking import steps
from tests.make import ROLES, make_user
from tests.scene import ANSWER, QUESTION, SECRETS, Scene

pytestmark = pytest.mark.django_db
TOKEN = re.compile(r'(csrfmiddlewaretoken" value="[^"]+|[0-9a-f]{8}-[0-9a-f-]{27})')
HAS_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture
def scene(monkeypatch):
    return Scene(monkeypatch)


def seen(answer, path: str) -> tuple:
    """Everything that tells two answers apart but tokens and the uuids themselves."""
    where = TOKEN.sub("", answer.get("Location", ""))
    return answer.status_code, where, TOKEN.sub("", answer.content.decode()).replace(path, "")


def test_what_belongs_to_somebody_else_looks_like_what_is_not_there(scene):
    patients = [a for a in scene.addresses() if HAS_UUID.search(a.path) and not a.path.startswith("/admin/")]
    staff = [
        a for a in scene.addresses() if HAS_UUID.search(a.path) and a.path.startswith(("/admin/booking/", "/admin/s"))
    ]
    assert len(patients) >= 7 and len(staff) >= 18
    for who, addresses in (("nobody", patients), ("berta", patients), ("Practitioner", staff)):
        browser = scene.people[who]
        for address in addresses:
            for send in (browser.get, browser.post):
                real, none = send(address.path), send(address.other)
                assert seen(real, address.path) == seen(none, address.other), (who, address)
                assert real.status_code in ((302, 405) if who == "nobody" else (403, 404, 405)), (who, address)
                if who == "nobody" and real.status_code == 302:
                    assert real.url.startswith("/accounts/login/"), address
    assert scene.people["anna"].get(f"/appointments/{scene.visit_0.uuid}/").status_code == 200


LISTS = ("clinic/patient/?", "booking/appointment/?show=all&", "outbox/message/?show=all&", "clinic/user/?")


def test_answers_and_a_clinicians_words_are_read_by_their_patient_and_clinicians_only(scene):
    found: dict[str, set[str]] = {}
    addresses = scene.addresses()
    public = [address.path for address in addresses if not address.path.startswith("/admin/")]
    staff = [address.path for address in addresses if address.path.startswith("/admin/")]
    for who in ("nobody", "anna", "berta", "superuser", *ROLES):
        browser = scene.people[who]
        for path in public if who in ("nobody", "anna", "berta") else staff:
            answer = browser.get(path)
            text = answer.content.decode(errors="replace") + answer.get("Location", "")
            found.setdefault(who, set()).update(word for word in SECRETS if word in text)
    assert found.pop("anna") == {QUESTION}
    for role in ("Clinician", "Lead clinician"):
        assert {ANSWER, QUESTION} <= found.pop(role)
    assert not any(found.values()), found


EXPLANATION = "harebell"


def test_why_somebody_was_refused_is_read_by_them_and_by_clinicians_only(scene):
    refused = steps.decide(scene.waiting, "not-suitable", explanation=EXPLANATION)
    own, answers = (
        f"/screening/decision/{refused.uuid}/",
        f"/admin/screening/questionnaireresponse/{refused.response.uuid}/",
    )
    visit, carla = f"/admin/booking/appointment/{scene.waiting.uuid}/change/", scene.waiting.patient
    lists = ["/admin/", "/admin/booking/appointment/desk/", "/admin/screening/reviewrequest/"]
    lists += [f"/admin/{place}" for place in LISTS]
    paths = [*lists, own, answers, visit, f"/appointments/{scene.waiting.uuid}/"]
    paths.append(f"/admin/clinic/patient/{carla.pk}/change/")
    seeing = set()
    for who in ("nobody", "anna", "berta", "superuser", *ROLES):
        for path in paths if who in (*ROLES, "superuser") else [own, answers, visit]:
            answer = scene.people[who].get(path)
            if EXPLANATION in answer.content.decode(errors="replace") + answer.get("Location", ""):
                seeing.add((who, path))
    assert seeing == {("Clinician", answers), ("Lead clinician", answers)}
    browser = Client()
    browser.force_login(carla.user)
    assert EXPLANATION in browser.get(own).content.decode()
    sent = Message.objects.filter(kind="not_possible")
    assert sent and not any(EXPLANATION in f"{one.subject} {one.text} {one.html} {one.calendar}" for one in sent)


@pytest.mark.parametrize("who", ["Front desk", "Manager", "superuser"])
def test_no_search_finds_somebody_by_an_answer(scene, who):
    browser, searched = scene.people[who], 0
    for place in LISTS:
        there, nowhere = (browser.get(f"/admin/{place}q={word}") for word in (ANSWER, "nonesuch1"))
        searched += there.status_code == 200
        same = [TOKEN.sub("", answer.content.decode()).replace(word, "") for answer, word in
                ((there, ANSWER), (nowhere, "nonesuch1"))]  # fmt: skip
        assert same[0] == same[1], place
    assert searched >= 3
    for place in LISTS:  # lists of people take their words by POST
        there, nowhere = (browser.post(f"/admin/{place}", {"q": word}) for word in (ANSWER, "nonesuch1"))
        assert there.status_code == nowhere.status_code, place
        assert scene.anna.reference not in there.content.decode(), place
    if who == "Front desk":  # who finds people without an address
        page = browser.post("/admin/booking/appointment/desk/", {"q": ANSWER}).content.decode()
        assert scene.anna.reference not in page


def test_no_message_names_health_a_treatment_or_an_answer(scene):
    sent = list(Message.objects.all())
    assert {message.kind for message in sent} >= {"asked_for", "information_needed", "booked"}
    for message in sent:
        words = f"{message.subject} {message.text} {message.html} {message.calendar}".lower()
        for word in (*SECRETS, "microneedling", "scar", "acne", "needl", "skin", "face", "screening", "condition"):
            assert word not in words.replace("the scar clinic", ""), (message.kind, word)


def test_a_manager_cannot_take_a_clinical_role_in_any_way(client):
    from django.contrib.auth.models import Group

    manager, other = make_user("Manager"), make_user("Front desk")
    client.force_login(manager)
    clinical = [
        str(group.pk) for group in Group.objects.filter(name__in=["Clinician", "Lead clinician", "Practitioner"])
    ]
    for person in (manager, other):
        data = {"email": person.email, "name": "X", "is_active": "on", "roles": clinical, "groups": clinical}
        data |= {"is_superuser": "on", "user_permissions": ["1", "2"]}
        client.post(f"/admin/clinic/user/{person.pk}/change/", data)
        person.refresh_from_db()
        assert not person.is_superuser and not person.user_permissions.exists()
        assert not person.groups.filter(pk__in=clinical).exists()
    data = {"email": "new@example.org", "name": "X", "is_active": "on", "roles": clinical, "is_superuser": "on"}
    client.post("/admin/clinic/user/add/", data)
    assert not type(manager).objects.filter(email="new@example.org", groups__in=clinical).exists()
    assert not type(manager).objects.filter(is_superuser=True).exists()
