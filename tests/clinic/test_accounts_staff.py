"""Staff sign in with a password and a second factor, and their screens lock when nobody is there."""

import os
import subprocess
import sys
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from clinic import accounts, idle
from clinic.models import User
from outbox.models import Message
from tests.make import make_clinic, make_user

PASSWORD = "correct horse battery"
LOGIN, CODE, SET_UP = "/accounts/login/", "/accounts/2fa/authenticate/", "/accounts/2fa/totp/activate/"


@pytest.fixture(autouse=True)
def _fresh(db, settings):
    cache.clear()
    make_clinic(is_demo=False)
    settings.STAFF_SECOND_FACTOR = True


@pytest.fixture
def boss(db):
    return make_user("Manager", email="boss@example.org", password=PASSWORD)


def sign_in(client, email="boss@example.org", to=""):
    return client.post(LOGIN + (f"?next={to}" if to else ""), {"login": email, "password": PASSWORD, "next": to})


def figures(secret, step=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))


def set_up(client):
    again = client.get(SET_UP)  # the password is asked once more before anything about signing in changes
    assert client.post(again.url, {"password": PASSWORD}).url == SET_UP
    assert client.get(SET_UP).status_code == 200
    secret = client.session["mfa.totp.secret"]
    assert client.post(SET_UP, {"code": figures(secret)}).status_code == 302
    return secret


def locked_since(client, seconds):
    session = client.session
    session["staff_seen"] = time.time() - seconds
    session.save()


@pytest.mark.django_db(transaction=True)  # allauth tells of it on commit
def test_without_a_second_factor_the_admin_leads_to_setting_one_up(client, boss):
    assert sign_in(client).url == "/admin/"
    assert client.get("/admin/").url == SET_UP
    set_up(client)
    assert client.get("/admin/").status_code == 200


@pytest.mark.django_db(transaction=True)  # allauth tells of it on commit
def test_somebody_new_gets_from_the_invitation_to_the_staff_pages(client, boss):
    sign_in(client)
    set_up(client)
    desk = Group.objects.get(name="Front desk").pk
    client.post(
        "/admin/clinic/user/add/", {"email": "new@example.org", "name": "Nina", "is_active": "on", "roles": desk}
    )
    theirs = Client()
    link = Message.objects.get(to="new@example.org").text.split("http://testserver")[1].split()[0]
    choose = theirs.get(link, follow=True).request["PATH_INFO"]
    page = theirs.get(choose).content.decode()
    assert "At least 12 letters" in page and "entirely numeric" not in page and "New Password" not in page
    theirs.post(choose, {"password1": PASSWORD, "password2": PASSWORD})
    # whoever knows the address may ask for a link to it at any time: it changes nothing
    Client().post("/accounts/password/reset/", {"email": "new@example.org"})
    assert sign_in(theirs, "new@example.org").url == "/admin/"
    assert theirs.get("/admin/").url == SET_UP
    set_up(theirs)
    assert theirs.get("/admin/").status_code == 200


def test_a_link_asked_for_after_signing_in_is_told_in_our_words(client, boss):
    sign_in(client)
    Client().post("/accounts/password/reset/", {"email": "boss@example.org"})
    client.post(client.get(SET_UP).url, {"password": PASSWORD})
    assert "Please sign out and sign in again." in client.get(SET_UP, follow=True).content.decode()
    client.post("/accounts/logout/")
    sign_in(client)
    set_up(client)


@pytest.mark.django_db(transaction=True)  # allauth tells of it on commit
def test_setting_it_up_ends_the_other_sessions(client, boss):
    thief = Client()
    assert sign_in(thief).url == "/admin/"
    sign_in(client)
    set_up(client)
    assert client.get("/admin/").status_code == 200
    assert thief.get("/accounts/2fa/totp/deactivate/").url.startswith(LOGIN)
    assert thief.get("/admin/").url.startswith("/admin/login/")


def test_the_next_sign_in_asks_for_it(client, boss):
    sign_in(client)
    secret = set_up(client)
    cache.clear()  # the figures of this half minute count once
    other = Client()
    assert sign_in(other).url == CODE
    assert other.get("/admin/").status_code == 302, "a password alone opens nothing"
    assert other.post(CODE, {"code": "000000"}).status_code == 200
    assert other.get("/admin/").status_code == 302
    assert other.post(CODE, {"code": figures(secret)}).url == "/admin/"
    assert other.get("/admin/").status_code == 200


def test_a_recovery_code_works_once(client, boss):
    sign_in(client)
    set_up(client)
    code = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    for expected in (200, 302):
        other = Client()
        sign_in(other)
        other.post(CODE, {"code": code})
        assert other.get("/admin/").status_code == expected


def test_a_session_from_before_it_was_set_up_signs_in_again(client, boss):
    other = Client()
    sign_in(other)
    sign_in(client)
    set_up(client)
    assert other.get("/admin/").url.startswith(LOGIN)
    assert "_auth_user_id" not in other.session


def test_the_secret_is_not_readable_in_the_database(client, boss, settings):
    sign_in(client)
    secret = set_up(client)
    stored = Authenticator.objects.get(type="totp").data["secret"]
    assert secret not in stored and stored.startswith("test:")
    adapter = accounts.MFAAdapter()
    assert adapter.decrypt(stored) == secret
    seed = Authenticator.objects.get(type="recovery_codes").data["seed"]
    assert seed.startswith("test:")
    settings.DATA_KEYS = [("test", bytes(32))]
    with pytest.raises(ValueError):
        adapter.decrypt(stored)
    settings.DATA_KEYS = [("other", bytes(32))]
    with pytest.raises(ValueError):
        adapter.decrypt(stored)


def test_an_older_key_can_go_after_rewrapping(client, boss, settings):
    sign_in(client)
    secret = set_up(client)
    settings.DATA_KEYS = [("newer", b"n" * 32), *settings.DATA_KEYS]
    assert accounts.rewrap_second_factors() == 2
    settings.DATA_KEYS = [("newer", b"n" * 32)]
    assert accounts.MFAAdapter().decrypt(Authenticator.objects.get(type="totp").data["secret"]) == secret
    assert len(Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()) == 10


def test_a_demonstration_on_a_developers_machine_does_not_ask(client, boss, settings):
    make_clinic(is_demo=True)
    sign_in(client)
    assert client.get("/admin/").url == SET_UP, "not with DEBUG off"
    settings.DEBUG = True
    assert client.get("/admin/").status_code == 200
    make_clinic(is_demo=False)
    assert client.get("/admin/").url == SET_UP, "not without a demonstration"


@pytest.mark.parametrize("debug", ["true", "false"])
def test_no_variable_switches_the_second_factor_off(debug):
    env = {
        **os.environ,
        "DEBUG": debug,
        "DATABASE_URL": "postgresql://a:b@db.example/c",
        "STAFF_SECOND_FACTOR": "false",
    }
    env |= {"EMAIL_URL": "smtp://mail.example", "DEFAULT_FROM_EMAIL": "us@clinic.example"}
    env |= {"PUBLIC_URL": "https://clinic.example", "TRUSTED_PROXY_COUNT": "1"}
    code = "from clinic import settings; print(settings.STAFF_SECOND_FACTOR)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_staff_get_no_code_and_a_code_never_lets_staff_in(client, boss):
    client.post("/accounts/login/code/", {"email": boss.email})
    assert not Message.objects.exists()
    client.cookies.clear()
    patient = accounts.user_for("anna@example.org")
    client.post("/accounts/login/code/", {"email": patient.email})
    code = Message.objects.get().text.split("code: ")[1].split()[0]
    User.objects.filter(pk=patient.pk).update(is_staff=True)  # made staff while the code was on its way
    client.post("/accounts/login/code/confirm/", {"code": code})
    assert "_auth_user_id" not in client.session


def test_the_admins_own_sign_in_is_not_there(client, boss):
    assert client.get("/admin/").url == "/admin/login/?next=%2Fadmin%2F"
    assert client.get("/admin/login/?next=/admin/clinic/").url == "/accounts/login/?next=%2Fadmin%2Fclinic%2F"
    client.post("/admin/login/", {"username": boss.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    client.force_login(accounts.user_for("anna@example.org"))
    assert client.get("/admin/login/").status_code == 403


def test_after_the_sign_in_one_is_where_one_wanted_to_be(client, boss):
    page = reverse("admin:clinic_room_changelist")
    assert sign_in(client, to=page).url == page
    client.post("/accounts/logout/")
    assert sign_in(client, to="https://elsewhere.example/").url == "/admin/"


@pytest.fixture
def at_work(client, boss, settings):
    settings.STAFF_SECOND_FACTOR = False
    sign_in(client)
    assert client.get("/admin/").status_code == 200
    return client


def test_an_idle_screen_locks_and_the_same_page_comes_back(at_work, settings):
    page = reverse("admin:clinic_room_changelist") + "?q=1"
    locked_since(at_work, settings.STAFF_IDLE_SECONDS - 5)
    assert at_work.get(page).status_code == 200
    locked_since(at_work, settings.STAFF_IDLE_SECONDS + 5)
    answer = at_work.get(page)
    assert answer.status_code == 403 and "You have been signed out" in answer.content.decode()
    assert "We did not receive" not in answer.content.decode()
    assert "_auth_user_id" not in at_work.session
    assert "/accounts/login/?next=/admin/clinic/room/%3Fq%3D1" in answer.content.decode()
    assert sign_in(at_work, to=page).url == page


def test_what_is_sent_after_the_lock_is_not_done_and_that_is_said(at_work, settings):
    from clinic.models import Room
    from tests.make import make_location

    place = make_location()
    add = reverse("admin:clinic_room_add")
    locked_since(at_work, settings.STAFF_IDLE_SECONDS + 5)
    answer = at_work.post(
        add, {"location": place.pk, "name": "Three"}, headers={"referer": f"http://testserver{add}?_popup=0"}
    )
    assert answer.status_code == 403 and "We did not receive what you sent" in answer.content.decode()
    assert f"next={add}%3F_popup%3D0" in answer.content.decode()
    assert not Room.objects.exists()


@pytest.mark.parametrize("referer", ["https://elsewhere.example/x", "http://[", "javascript:alert(1)", ""])
def test_the_lock_never_leads_elsewhere(at_work, settings, referer):
    locked_since(at_work, settings.STAFF_IDLE_SECONDS + 5)
    answer = at_work.post(reverse("admin:clinic_room_add"), {}, headers={"referer": referer})
    assert "next=/admin/&" in answer.content.decode() or 'next=/admin/"' in answer.content.decode()


def test_working_keeps_the_screen_open(at_work, settings):
    for _visit in range(3):
        locked_since(at_work, settings.STAFF_IDLE_SECONDS - 30)
        assert at_work.get("/admin/").status_code == 200
        assert time.time() - at_work.session["staff_seen"] < 5


def test_patients_are_not_locked_out(client, settings):
    client.force_login(accounts.user_for("anna@example.org"))
    locked_since(client, settings.STAFF_IDLE_SECONDS * 3)
    assert client.get("/my/").status_code == 200


def test_every_staff_page_brings_the_script_that_hides_it(at_work, settings):
    for name in ("index", "clinic_room_changelist", "clinic_room_add", "opening"):
        page = at_work.get(reverse(f"admin:{name}")).content.decode()
        assert "js/staff-idle.js" in page and f'data-idle-seconds="{settings.STAFF_IDLE_SECONDS}"' in page


def test_the_page_that_hides_a_screen_leads_back_and_nowhere_else(client):
    assert "?next=/admin/clinic/" in client.get("/accounts/locked/?next=/admin/clinic/").content.decode()
    for evil in ("https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", "http://["):
        page = client.get("/accounts/locked/", {"next": evil}).content.decode()
        assert "?next=" not in page and "elsewhere" not in page


def test_the_hidden_screen_of_an_idle_session_leads_back_to_its_page(at_work, settings):
    locked_since(at_work, settings.STAFF_IDLE_SECONDS + 5)
    answer = at_work.get("/accounts/locked/?next=/admin/clinic/room/")
    assert answer.status_code == 200 and "/accounts/login/?next=/admin/clinic/room/" in answer.content.decode()
    assert "_auth_user_id" not in at_work.session


LOCKED = "/accounts/locked/"


def test_a_screen_that_was_left_alone_ends_the_session(at_work, settings):
    locked_since(at_work, settings.STAFF_IDLE_SECONDS - idle.ping_seconds() + 1)
    assert at_work.post(LOCKED).json() == {"locked": True, "unused_for": None}
    assert "_auth_user_id" not in at_work.session
    assert at_work.post(LOCKED).json()["locked"], "another tab of theirs, a second later"
    assert "You have been signed out" in at_work.get(f"{LOCKED}?next=/admin/").content.decode()


def test_a_screen_stays_open_while_another_tab_is_used(at_work, settings):
    locked_since(at_work, settings.STAFF_IDLE_SECONDS - idle.ping_seconds() - 2)
    seen = at_work.session["staff_seen"]
    said = at_work.post(LOCKED).json()
    assert not said["locked"]
    assert said["unused_for"] == pytest.approx(time.time() - seen, abs=1)
    assert at_work.session["staff_seen"] == seen, "asking is no use"


def test_looking_at_the_locked_page_with_a_running_session_leads_back_and_is_no_use(at_work, settings):
    locked_since(at_work, settings.STAFF_IDLE_SECONDS - 1)
    seen = at_work.session["staff_seen"]
    assert at_work.get(f"{LOCKED}?next=/admin/clinic/room/").url == "/admin/clinic/room/"
    assert at_work.get(f"{LOCKED}?next=https://elsewhere.example/").url == "/admin/"
    assert at_work.session["staff_seen"] == seen


def test_nobody_is_locked_out_from_another_site(at_work, settings):
    stranger = Client(enforce_csrf_checks=True)
    stranger.cookies = at_work.cookies
    locked_since(at_work, settings.STAFF_IDLE_SECONDS - 1)
    assert stranger.post(LOCKED).status_code == 403
    assert "_auth_user_id" in at_work.session


def test_the_lock_of_a_staff_screen_does_not_end_a_patients_session(client):
    client.force_login(accounts.user_for("anna@example.org"))
    assert client.post(LOCKED).json()["locked"]
    assert "_auth_user_id" in client.session


def test_the_second_step_is_for_staff_only(client):
    client.force_login(make_user(email="anna@example.org"))
    for address in ("", "totp/activate/", "recovery-codes/generate/", "totp/deactivate/", "reauthenticate/"):
        for send in (client.get, client.post):
            assert send(f"/accounts/2fa/{address}").status_code == 404, address


def test_passwords_and_figures_cannot_be_tried_without_end(client, boss):
    for _try in range(5):
        client.post(LOGIN, {"login": boss.email, "password": "wrong"})
    assert "too many tries" in client.post(LOGIN, {"login": boss.email, "password": PASSWORD}).content.decode()
    cache.clear()
    sign_in(client)
    secret = set_up(client)
    cache.clear()
    thief = Client()
    assert sign_in(thief).url == CODE
    for number in range(6):
        answer = thief.post(CODE, {"code": f"{number:06}"})
    assert answer.status_code in (200, 429)
    assert thief.post(CODE, {"code": figures(secret)}).status_code in (200, 429)
    assert thief.get("/admin/").status_code == 302


def test_trying_many_names_from_one_place_is_stopped_whatever_the_headers_say():
    said = [
        Client(HTTP_X_FORWARDED_FOR=f"203.0.113.{number}").post(
            LOGIN, {"login": f"a{number}@example.org", "password": "x"}
        )
        for number in range(12)
    ]
    assert "too many tries" in said[-1].content.decode() or said[-1].status_code == 429


def test_another_address_for_staff_ends_what_the_old_one_opens(client, boss, settings):
    settings.STAFF_SECOND_FACTOR = False
    theirs, root = Client(), make_user(email="root@example.org", password=PASSWORD, is_staff=True, is_superuser=True)
    Client().post("/accounts/password/reset/", {"email": "boss@example.org"})
    link = Message.objects.get(to="boss@example.org").text.split("http://testserver")[1].split()[0]
    EmailAddress.objects.update_or_create(user=boss, email=boss.email, defaults={"verified": True, "primary": True})
    sign_in(theirs)
    sign_in(client, root.email)

    def written(user, email):
        data = {"email": email, "name": user.name, "is_active": "on"}
        assert client.post(reverse("admin:clinic_user_change", args=[user.pk]), data).status_code == 302

    written(boss, "new@example.org")
    assert theirs.get("/admin/").status_code == 302, "their sessions end"
    assert "password1" not in Client().get(link, follow=True).content.decode(), "a link on its way opens nothing"
    Client().post("/accounts/password/reset/", {"email": "boss@example.org"})
    assert Message.objects.filter(to="boss@example.org").count() == 1
    sign_in(theirs, "boss@example.org")
    assert theirs.get("/admin/").status_code == 302
    sign_in(theirs, "new@example.org")
    assert theirs.get("/admin/").status_code == 200
    written(root, "root2@example.org")
    assert client.get("/admin/").status_code == 200, "one's own session goes on"
