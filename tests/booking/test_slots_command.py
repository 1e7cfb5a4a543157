"""The command that lists free times."""

import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from tests import make
from tests.make import NOW

pytestmark = pytest.mark.django_db


def slots(*args) -> str:
    out = StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("slots", *args, stdout=out)
    return out.getvalue()


def test_times_are_local_and_name_zone_practitioner_and_room():
    surgery = make.make_surgery(time_zone="Australia/Sydney")
    rows = json.loads(slots(surgery.consultation.slug, "--from", "2027-03-10", "--days", "1", "--json"))
    assert rows[0] == {
        "starts_at": "2027-03-10T09:00+11:00",
        "time_zone": "Australia/Sydney",
        "location": surgery.location.slug,
        "practitioner": rows[0]["practitioner"],
        "room": surgery.room.name,
    }
    assert rows[0]["practitioner"] in [practitioner.slug for practitioner in surgery.practitioners]
    times = [datetime.fromisoformat(row["starts_at"]) for row in rows]
    assert times == [times[0] + timedelta(minutes=15) * n for n in range(30)]  # 09:00 to 16:15
    text = slots(surgery.consultation.slug, "--from", "2027-03-10", "--days", "1")
    assert "2027-03-10T09:00+11:00  Australia/Sydney" in text
    assert "30 free times" in text


def test_one_practitioner_and_place():
    surgery = make.make_surgery()
    rows = json.loads(
        slots(
            surgery.consultation.slug,
            "--json",
            "--practitioner",
            surgery.practitioners[1].slug,
            "--location",
            surgery.location.slug,
        )
    )
    assert {row["practitioner"] for row in rows} == {surgery.practitioners[1].slug}


def test_what_is_not_there_is_said():
    surgery = make.make_surgery()
    with pytest.raises(CommandError, match=surgery.treatment.slug):
        slots("no-such-treatment")
    with pytest.raises(CommandError, match="366"):
        slots(surgery.treatment.slug, "--days", "0")
