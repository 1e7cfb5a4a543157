"""Links in messages."""

import uuid
from datetime import timedelta

import pytest
from django.core import signing

from booking import links
from booking.links import BadLink, make_link, read_link
from tests import make
from tests.make import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def appointment(db):
    return make.make_appointment(treatment=make.make_consultation(), status="booked")


def token(appointment, purpose=links.SEE, now=NOW):
    path = make_link(appointment, purpose, now)
    assert path.startswith("/appointments/link/") and path.endswith("/")
    return path.split("/")[-2]


@pytest.mark.parametrize("purpose", links.PURPOSES)
def test_a_link_opens_one_appointment_for_one_purpose(appointment, purpose):
    assert read_link(token(appointment, purpose), NOW) == (appointment.uuid, purpose)


def test_it_ends(appointment):
    made = token(appointment)
    end = NOW + timedelta(days=30)  # longer than a day after the visit
    assert read_link(made, end)
    with pytest.raises(BadLink):
        read_link(made, end + timedelta(seconds=1))
    near_its_day = token(appointment, now=appointment.starts_at)
    assert read_link(near_its_day, appointment.ends_at + timedelta(days=1))


def test_it_says_nothing_about_the_person(appointment):
    path = make_link(appointment, links.SEE, NOW)
    for word in (appointment.reference, str(appointment.pk) + "/", appointment.patient.name, "needling"):
        assert word not in path


def test_anything_changed_or_made_elsewhere_is_refused(appointment):
    made = token(appointment)
    forged = [
        "",
        "x",
        made[:-1] + ("A" if made[-1] != "A" else "B"),
        made.replace(made[5], "z", 1) if made[5] != "z" else made[1:],
        signing.dumps([appointment.uuid.hex, links.SEE, 2**40]),  # another salt
        signing.dumps([uuid.uuid4().hex, "another purpose", 2**40], salt=links.SALT),
        signing.dumps(["not a uuid", links.SEE, 2**40], salt=links.SALT),
        signing.dumps(None, salt=links.SALT),
        signing.dumps([appointment.uuid.hex, links.SEE, "soon"], salt=links.SALT),
        signing.dumps([appointment.uuid.hex, links.SEE, 10**30], salt=links.SALT),
        "\x00",
        "ü" * 100,
    ]
    for wrong in forged:
        with pytest.raises(BadLink):
            read_link(wrong, NOW)


def test_a_purpose_nobody_knows_is_not_made(appointment):
    with pytest.raises(ValueError):
        make_link(appointment, "everything", NOW)
