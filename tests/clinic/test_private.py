"""What must not be left behind: pages in a browser's cache, secrets and people in logs, files without headers."""

import logging
import sys

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.staticfiles import finders
from django.db import IntegrityError

from clinic.logs import NeutralLines
from clinic.models import Patient, User
from tests.clinic.test_security import PUBLIC, headers_are_right
from tests.make import make_clinic, make_patient, make_user

pytestmark = pytest.mark.django_db


def test_every_page_seen_while_signed_in_is_kept_by_nobody(client):
    make_clinic()
    patient = make_patient()
    user = make_user(email=patient.email)
    patient.user = user
    patient.save()
    looked = 0
    for address in PUBLIC:
        if "logout" in address:
            continue
        client.force_login(user)
        answer = client.get(address)
        looked += 1
        kept = answer.get("Cache-Control", "")
        assert "no-store" in kept and "public" not in kept, (address, kept)
    assert looked > 25


def test_public_pages_may_be_kept_by_a_browser_for_who_is_not_signed_in(client):
    make_clinic()
    assert "no-store" not in client.get("/").get("Cache-Control", "")


def test_the_page_after_signing_out_is_not_kept_either(client):
    client.force_login(make_user())
    assert "no-store" in client.post("/accounts/logout/")["Cache-Control"]


def test_files_carry_the_headers_as_well(client):
    assert finders.find("icons/favicon.svg")
    answer = client.get("/static/icons/favicon.svg")
    assert answer.status_code == 200
    headers_are_right(answer, "static")
    answer.close()


def test_a_body_larger_than_anything_we_take_is_refused_before_it_is_read(client):
    for kind in ("multipart/form-data; boundary=x", "application/octet-stream", "application/x-www-form-urlencoded"):
        answer = client.generic("POST", "/", b"x", content_type=kind, CONTENT_LENGTH=str(7 * 1024 * 1024))
        assert answer.status_code == 400, kind


def line(message: str, *args, exc_info=None) -> str:
    record = logging.LogRecord("django.server", logging.INFO, "", 0, message, args, exc_info)
    return NeutralLines("{message}", style="{").format(record)


def test_what_opens_something_is_not_in_the_logs():
    for address in (
        "/appointments/link/WyJhYiJd:1abc:Zz-_9/",
        "/accounts/password/reset/key/1-d2k-0123abc/",
        "/accounts/confirm-email/MQ:1abc/",
        "/admin/clinic/patient/?o=1&q=Rosa+Example",
    ):
        logged = line('"%s" %s %s', f"GET {address} HTTP/1.1", "302", "0")
        for secret in ("WyJ", "0123abc", "MQ:", "Rosa"):
            assert secret not in logged
        assert "HTTP/1.1" in logged and "302" in logged


def test_a_traceback_names_no_row():
    twice = make_user(email="rosa@example.org").email
    try:
        User.objects.bulk_create([User(email=twice, password="!")])
    except IntegrityError:
        logged = line("Internal Server Error", exc_info=sys.exc_info())
    assert "clinic_user" in logged and "duplicate key" in logged and "rosa@example.org" not in logged


def test_the_development_server_logs_through_the_same_lines(settings):
    server = settings.LOGGING["loggers"]["django.server"]
    assert server["handlers"] == ["console"] and server["propagate"] is False
    assert settings.LOGGING["formatters"]["line"]["()"] == "clinic.logs.NeutralLines"


def test_what_staff_did_is_kept_without_the_patients_name(client):
    client.force_login(make_user("Front desk"))
    data = {"name": "Rosa Example", "birth_date": "4/5/1990", "phone": "020 7946 0018", "email": "rosa@example.org"}
    assert client.post("/admin/clinic/patient/add/", data).status_code == 302
    patient = Patient.objects.get()
    assert client.post(f"/admin/clinic/patient/{patient.pk}/change/", data | {"name": "Rosa Other"}).status_code == 302
    entries = LogEntry.objects.all()
    assert [entry.object_repr for entry in entries] == [patient.reference] * 2
    assert not any("Rosa" in f"{entry.object_repr}{entry.change_message}" for entry in entries)
