"""Patients sign in with a code from their e-mail, and nobody learns who has an account."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic import accounts
from clinic.models import Patient, User
from outbox.models import Message
from tests.make import make_clinic, make_patient, make_user

ASK, WRITE = "/accounts/login/code/", "/accounts/login/code/confirm/"


@pytest.fixture(autouse=True)
def _fresh(db):
    cache.clear()
    make_clinic()


def code_to(email):
    text = Message.objects.filter(to=email, kind="code", state="queued").get().text
    return re.search(r"code: (\S+)", text)[1]


def patient_user(email="anna@example.org"):
    return accounts.user_for(email, "Anna Adams")


def main_of(response):
    """The words of a page without what differs at every request."""
    text = re.search(r"<main.*</main>", response.content.decode(), re.DOTALL)[0]
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)


def test_a_code_signs_a_known_patient_in_once(client):
    user = patient_user()
    assert client.post(ASK, {"email": "Anna@Example.org"}).url == WRITE
    code = code_to("anna@example.org")
    assert client.post(WRITE, {"code": code}).url == "/my/"
    assert client.get("/my/").status_code == 200
    assert EmailAddress.objects.get(user=user).verified
    client.post("/accounts/logout/")
    assert client.post(WRITE, {"code": code}).status_code == 302
    assert client.get("/my/").status_code == 302, "a code works once"


def test_the_session_gets_a_new_key_when_somebody_signs_in(client):
    patient_user()
    client.post(ASK, {"email": "anna@example.org"})
    before = client.session.session_key
    client.post(WRITE, {"code": code_to("anna@example.org")})
    assert client.session.session_key != before


def test_known_unknown_and_staff_addresses_read_the_same(client):
    patient_user("known@example.org")
    make_user("Front desk", email="staff@example.org", password="x" * 20)
    pages = []
    for email in ("known@example.org", "nobody@example.org", "staff@example.org"):
        client.cookies.clear()
        asked = client.post(ASK, {"email": email})
        page = client.get(asked.url)
        pages.append((asked.status_code, asked.url, main_of(page).replace(email, "ADDRESS")))
    assert pages[0] == pages[1] == pages[2]
    assert list(Message.objects.values_list("to", flat=True)) == ["known@example.org"], "no mail to the others"
    assert not User.objects.filter(email="nobody@example.org").exists()


def test_a_wrong_code_is_refused_and_the_fifth_ends_it(client):
    patient_user()
    client.post(ASK, {"email": "anna@example.org"})
    code = code_to("anna@example.org")
    for _try in range(4):
        assert client.post(WRITE, {"code": "WRONG1"}).status_code == 200
    said = client.post(WRITE, {"code": "WRONG1"}, follow=True).content.decode()
    assert "Those were too many tries. Please ask for a new code." in said and "try a password" not in said
    client.post(WRITE, {"code": code})
    assert client.get("/my/").status_code == 302


def test_a_code_ends_after_fifteen_minutes(client, monkeypatch):
    patient_user()
    client.post(ASK, {"email": "anna@example.org"})
    code, real = code_to("anna@example.org"), __import__("time").time
    monkeypatch.setattr("allauth.account.internal.flows.code_verification.time.time", lambda: real() + 14 * 60)
    assert client.get(WRITE).status_code == 200
    monkeypatch.setattr("allauth.account.internal.flows.code_verification.time.time", lambda: real() + 16 * 60)
    page = client.post(WRITE, {"code": code}, follow=True).content.decode()
    assert "<title>Error: " in page and "This code is older than 15 minutes" in page
    assert 'value="anna@example.org"' in page
    assert client.get("/my/").status_code == 302
    client.post(ASK, {"email": "anna@example.org"})
    client.post("/accounts/correct-address/")
    assert "older than 15 minutes" not in client.get(ASK).content.decode()
    client.post(ASK, {"email": "anna@example.org"})
    monkeypatch.setattr("allauth.account.internal.flows.code_verification.time.time", lambda: real() + 3 * 60 * 60)
    assert "anna@example.org" not in client.get(WRITE, follow=True).content.decode(), "not for the next one here"


def test_sending_again_takes_the_first_code_back(client):
    patient_user()
    client.post(ASK, {"email": "anna@example.org"})
    first = code_to("anna@example.org")
    client.post(WRITE, {"action": "resend"})
    second = code_to("anna@example.org")
    assert first != second and Message.objects.filter(state="dropped").count() == 1
    assert client.post(WRITE, {"code": first}).status_code == 200
    assert client.post(WRITE, {"code": second}).url == "/my/"


def test_asking_for_many_codes_is_paused(client):
    patient_user()
    for _try in range(5):
        client.cookies.clear()
        last = client.post(ASK, {"email": "anna@example.org"})
    assert Message.objects.filter(kind="code").count() == 3
    assert last.status_code == 200 and "_auth_user_id" not in client.session


def test_a_wrong_address_can_be_corrected(client):
    patient_user("right@example.org")
    client.post(ASK, {"email": "wrong@example.org"})
    assert "wrong@example.org" in client.get(WRITE).content.decode()
    assert client.get("/accounts/correct-address/").url == WRITE
    assert client.post("/accounts/correct-address/").url == ASK
    assert 'value="wrong@example.org"' in client.get(ASK).content.decode(), "to be corrected, not typed anew"
    assert "wrong@example.org" not in client.get(ASK).content.decode(), "not for the next one here"
    client.post(ASK, {"email": "right@example.org"})
    assert client.post(WRITE, {"code": code_to("right@example.org")}).url == "/my/"


def test_a_wrong_address_in_the_details_is_corrected_there(client):
    uuid = hold_in(client)
    client.post(ASK, {"email": "wrong@example.org"})
    assert client.post("/accounts/correct-address/").url == reverse("booking:hold", args=[uuid])


def test_guessing_passwords_is_paused(client):
    make_user("Manager", email="boss@example.org", password="correct horse battery")
    for _try in range(6):
        client.post("/accounts/login/", {"login": "boss@example.org", "password": "wrong"})
    client.post("/accounts/login/", {"login": "boss@example.org", "password": "correct horse battery"})
    assert "_auth_user_id" not in client.session
    many = [client.post("/accounts/login/", {"login": f"a{n}@example.org", "password": "x"}) for n in range(35)]
    assert "The address or the password does not fit." in many[0].content.decode()
    assert many[-1].status_code == 429 and "Please wait a few minutes" in many[-1].content.decode()


def test_the_limits_are_counted_in_the_database_not_in_the_process(client, settings):
    assert settings.CACHES["default"]["BACKEND"].endswith("DatabaseCache")
    assert settings.CACHES["default"]["OPTIONS"]["MAX_ENTRIES"] >= 10_000


def hold_in(client, uuid="6f1c1f3e-8a0d-4a39-9a42-5c2a8a5a9d11"):
    session = client.session
    session["hold"] = uuid
    session.save()
    return uuid


def test_after_the_code_the_patient_is_back_at_the_held_time(client):
    patient_user()
    client.get("/")
    uuid = hold_in(client)
    client.post(ASK, {"email": "anna@example.org"})
    answer = client.post(WRITE, {"code": code_to("anna@example.org")})
    assert answer.url == reverse("booking:hold", args=[uuid])
    assert client.session["hold"] == uuid


def test_a_broken_hold_in_the_session_leads_to_ones_own_page(client):
    patient_user()
    hold_in(client, "../admin/")
    client.post(ASK, {"email": "anna@example.org"})
    assert client.post(WRITE, {"code": code_to("anna@example.org")}).url == "/my/"


@pytest.fixture
def begin(client, rf):
    """Calls begin_code in a request that has a session and the middleware around it."""

    def call(email="new@example.org", name="Nora New", user=None):
        from allauth.core import context
        from django.contrib.messages.storage.session import SessionStorage

        request = rf.post("/book/hold/")
        request.session, request.user = client.session, user or AnonymousUser()
        request._messages = SessionStorage(request)
        with context.request_context(request):
            answer = accounts.begin_code(request, email=email, name=name)
        request.session.save()
        client.cookies["sessionid"] = request.session.session_key
        return answer

    return call


def test_the_details_form_makes_an_account_and_sends_one_code(begin, client):
    uuid = hold_in(client)
    assert begin().url == WRITE
    user = User.objects.get(email="new@example.org")
    assert not user.has_usable_password() and user.name == "Nora New"
    assert EmailAddress.objects.filter(user=user, verified=False).count() == 1
    assert Message.objects.count() == 1
    answer = client.post(WRITE, {"code": code_to("new@example.org")})
    assert answer.url == reverse("booking:hold", args=[uuid])
    assert EmailAddress.objects.get(user=user).verified


def test_the_details_form_says_the_same_for_staff_and_sends_nothing(begin):
    make_user("Clinician", email="doc@example.org")
    assert begin(email="doc@example.org").url == WRITE
    assert not Message.objects.exists()


def test_the_details_form_twice_is_one_account(begin):
    begin()
    begin(email="NEW@example.org")
    assert User.objects.filter(email__iexact="new@example.org").count() == 1


def test_codes_for_one_address_are_limited_in_the_details_form_too(begin):
    answers = [begin().status_code for _try in range(5)]
    assert answers == [302, 302, 302, 429, 429]
    assert Message.objects.count() == 3


def test_somebody_else_on_this_browser_is_told_before_the_form(begin, rf):
    other = patient_user("other@example.org")
    request = rf.get("/")
    request.user = other
    assert accounts.somebody_else(request, "new@example.org") == other
    assert accounts.somebody_else(request, "Other@example.org") is None
    with pytest.raises(accounts.NotThatPerson):
        begin(user=other)
    assert not Message.objects.exists()


def test_who_is_signed_in_already_needs_no_code(begin, client):
    uuid = hold_in(client)
    answer = begin(email="anna@example.org", user=patient_user())
    assert answer.url == reverse("booking:hold", args=[uuid]) and not Message.objects.exists()


def test_accounts_that_nobody_proved_go_after_a_day(db):
    now = timezone.now()
    old = now - timedelta(hours=25)
    gone = accounts.user_for("gone@example.org")
    young = accounts.user_for("young@example.org")
    proven = accounts.user_for("proven@example.org")
    EmailAddress.objects.filter(user=proven).update(verified=True)
    treated = make_patient(user=accounts.user_for("treated@example.org")).user
    staff = make_user("Manager", password=None)
    User.objects.exclude(pk=young.pk).update(date_joined=old)
    assert accounts.forget_unproven(now=now) == 1
    assert set(User.objects.all()) == {young, proven, treated, staff}
    assert not User.objects.filter(pk=gone.pk).exists()


def test_a_patient_cannot_get_a_password(client):
    user = patient_user()
    EmailAddress.objects.filter(user=user).update(verified=True)
    client.post("/accounts/password/reset/", {"email": user.email})
    assert not Message.objects.exists()
    user.set_password("correct horse battery")
    user.save()
    client.post("/accounts/login/", {"login": user.email, "password": "correct horse battery"})
    assert "_auth_user_id" not in client.session
    for path in ("signup", "email", "confirm-email", "password/set"):
        assert client.get(f"/accounts/{path}/").status_code == 404


def test_signing_out_elsewhere_ends_the_other_session(client, django_user_model):
    patient_user()
    other = Client()
    for browser in (client, other):
        browser.post(ASK, {"email": "anna@example.org"})
        browser.post(WRITE, {"code": code_to("anna@example.org")})
        Message.objects.update(state="dropped")
        assert browser.get("/my/").status_code == 200
    assert client.get("/accounts/sessions/").status_code == 200
    client.post("/accounts/sessions/")
    assert client.get("/my/").status_code == 200
    assert other.get("/my/").status_code == 302


def test_ones_own_page_needs_a_sign_in_and_shows_only_ones_own(client):
    assert client.get("/my/").url == "/accounts/login/?next=/my/"
    user = patient_user()
    mine = make_patient(name="Anna Adams", user=user)
    other = make_patient(name="Berta Bauer")
    client.force_login(user)
    page = client.get("/my/").content.decode()
    assert mine.reference in page and "Anna Adams" in page
    assert other.reference not in page and "Berta" not in page
    assert client.get("/my/")["Cache-Control"].count("no-store") == 1


def signed_in_by_code(client, email):
    client.post(ASK, {"email": email})
    client.post(WRITE, {"code": code_to(email)})


def born(day):
    return {"birth_date_day": str(day.day), "birth_date_month": str(day.month), "birth_date_year": str(day.year)}


def test_who_booked_by_phone_signs_in_with_address_and_birth_date(client):
    patient = make_patient(name="Paula Phone", email="Paula@example.org")
    signed_in_by_code(client, "paula@example.org")
    page = client.get("/my/").content.decode()
    assert "Your date of birth" in page and "Paula Phone" not in page and patient.reference not in page
    assert client.get("/my/birth-date/").url == "/my/"  # the address of an answer that did not fit, opened again
    client.post("/my/birth-date/", born(patient.birth_date))
    page = client.get("/my/").content.decode()
    assert "Paula Phone" in page and "Your date of birth" not in page


def test_the_birth_date_is_not_guessed(client):
    patient = make_patient(email="paula@example.org")
    signed_in_by_code(client, "paula@example.org")
    for number in range(5):
        answer = client.post("/my/birth-date/", born(patient.birth_date + timedelta(days=number + 1)))
        assert "does not match" in answer.content.decode()
    assert "many tries" in client.post("/my/birth-date/", born(patient.birth_date)).content.decode()
    patient.refresh_from_db()
    assert patient.user is None


def test_two_people_behind_one_address_are_kept_apart(client):
    twins = [make_patient(name=name, email="family@example.org") for name in ("Tina", "Tom")]
    other = make_patient(
        name="Father", email="family@example.org", birth_date=twins[0].birth_date - timedelta(days=9999)
    )
    signed_in_by_code(client, "family@example.org")
    client.post("/my/birth-date/", born(twins[0].birth_date))
    assert not hasattr(User.objects.get(email="family@example.org"), "patient")
    client.post("/my/birth-date/", born(other.birth_date))
    assert User.objects.get(email="family@example.org").patient == other
    client.post("/my/birth-date/", born(twins[0].birth_date))
    assert User.objects.get(email="family@example.org").patient == other


def test_an_address_that_was_not_proven_links_nobody(client):
    patient = make_patient(email="paula@example.org")
    user = accounts.user_for("paula@example.org")
    assert accounts.link_patient(user, birth_date=patient.birth_date) is None
    patient.refresh_from_db()
    assert patient.user is None


def test_a_record_that_somebody_signs_in_to_is_not_asked_for(client):
    make_patient(email="shared@example.org", user=patient_user("mine@example.org"))
    client.post(ASK, {"email": "shared@example.org"})
    assert not Message.objects.exists()


# --- another address, written by the desk


def written_by_the_desk(patient, email):
    """The desk saves the patient's page with this address; the answer."""
    desk = Client()
    desk.force_login(make_user("Front desk"))
    born_on = f"{patient.birth_date:%d/%m/%Y}"
    data = {"name": patient.name, "birth_date": born_on, "phone": "020 7946 0018", "email": email}
    page = reverse("admin:clinic_patient_change", args=[patient.pk])
    assert "They sign in with this address" in desk.get(page).content.decode()
    return desk.post(page, data, follow=True)


def test_a_corrected_address_is_the_one_to_sign_in_with(client):
    anna = make_patient(name="Anna Adams", email="ana@example.org", user=patient_user("ana@example.org"))
    signed_in_by_code(client, "ana@example.org")
    on_its_way = Client()
    on_its_way.post(ASK, {"email": "ana@example.org"})
    begun = accounts.user_for("anna@example.org")  # they tried the right address themselves, and proved it
    EmailAddress.objects.filter(user=begun).update(verified=True)
    written_by_the_desk(anna, "Anna@Example.org")
    assert client.get("/my/").status_code == 302, "the other mailbox is signed out"
    code = Message.objects.filter(to="ana@example.org").latest("pk").text.split("code: ")[1].split()[0]
    assert on_its_way.post(WRITE, {"code": code}).status_code == 302
    assert on_its_way.get("/my/").status_code == 302
    written = Message.objects.filter(to="ana@example.org").count()
    Client().post(ASK, {"email": "ana@example.org"})
    assert Message.objects.filter(to="ana@example.org").count() == written
    signed_in_by_code(client, "anna@example.org")
    assert anna.reference in client.get("/my/").content.decode()
    assert (User.objects.filter(is_staff=False).count(), Patient.objects.count()) == (1, 1)
    address = EmailAddress.objects.get(user__patient=anna)
    assert (address.email, address.verified) == ("anna@example.org", True)


def test_a_new_address_is_unproven_and_another_field_changes_nothing(client):
    anna = make_patient(email="anna@example.org", user=patient_user("anna@example.org"))
    signed_in_by_code(client, "anna@example.org")
    anna.name = "Anna Miller"
    written_by_the_desk(anna, "anna@example.org")
    assert "Anna Miller" in client.get("/my/").content.decode()
    assert EmailAddress.objects.get().verified
    written_by_the_desk(anna, "new@example.org")
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("new@example.org", False)]


@pytest.mark.parametrize("holder", ["patient", "staff"])
def test_an_address_that_somebody_signs_in_with_is_refused_in_words(holder):
    if holder == "patient":
        other = make_patient(name="Berta Bauer", user=patient_user("taken@example.org"))
        said = f"Berta Bauer ({other.reference}) signs in with this address already"
    else:
        make_user("Front desk", name="Dora", email="taken@example.org")
        said = "A member of staff signs in with this address. Ask for a private one."
    anna = make_patient(name="Anna Adams", email="anna@example.org", user=patient_user("anna@example.org"))
    answer = written_by_the_desk(anna, "Taken@example.org")
    assert said in answer.content.decode()
    anna.refresh_from_db()
    assert anna.email == anna.user.email == "anna@example.org"


def test_without_an_address_nobody_signs_in_until_there_is_one_again(client):
    anna = make_patient(email="anna@example.org", user=patient_user("anna@example.org"))
    signed_in_by_code(client, "anna@example.org")
    written_by_the_desk(anna, "")
    assert client.get("/my/").status_code == 302
    Message.objects.update(state="dropped")
    signed_in_by_code(client, "anna@example.org")  # whoever has that mailbox now
    page = client.get("/my/").content.decode()
    assert anna.reference not in page and "Your date of birth" not in page
    Patient.objects.filter(pk=anna.pk).update(email="new@example.org")
    client.post("/accounts/logout/")
    signed_in_by_code(client, "new@example.org")
    client.post("/my/birth-date/", born(anna.birth_date))
    assert anna.reference in client.get("/my/").content.decode()


def test_the_desk_does_not_take_over_a_colleague_who_is_treated_here():
    boss = make_user("Manager", email="boss@example.org")
    patient = make_patient(name="Bo Boss", email="boss@example.org", user=boss)
    desk = Client()
    desk.force_login(make_user("Front desk"))
    data = {"name": "Bo Boss", "birth_date": "04/05/1990", "phone": "", "email": "desk@example.org"}
    assert desk.post(reverse("admin:clinic_patient_change", args=[patient.pk]), data).status_code == 302
    boss.refresh_from_db()
    assert boss.email == "boss@example.org" and boss.is_active


def test_a_shared_address_is_told_to_the_desk():
    make_patient(name="Anna Adams", user=patient_user("home@example.org"))
    desk = Client()
    desk.force_login(make_user("Front desk"))
    data = {"name": "Bert Adams", "birth_date": "04/05/1990", "phone": "", "email": "Home@example.org"}
    page = desk.post(reverse("admin:clinic_patient_add"), data | {"is_somebody_new": "on"}, follow=True)
    assert "Somebody else signs in with this e-mail address. Bert Adams cannot answer" in page.content.decode()
    bert = Patient.objects.get(name="Bert Adams")
    assert bert.shares_address()
    Patient.objects.filter(pk=bert.pk).update(email="bert@example.org")
    assert not Patient.objects.get(pk=bert.pk).shares_address()
