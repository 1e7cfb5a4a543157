"""When somebody is usually at a place, on the page with the addresses."""

import re
from datetime import time, timedelta

import pytest

from tests import make
from tests.make import NOW, TODAY

pytestmark = pytest.mark.django_db


def test_each_place_has_its_usual_hours(client, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    assert "Usual opening hours" not in client.get("/contact/").content.decode()
    here, there = make.make_location(name="Here"), make.make_location(name="There")
    gone = make.make_location(name="Gone", is_active=False)
    early, late = make.make_practitioner(), make.make_practitioner()
    left = make.make_practitioner(is_active=False)
    make.make_hours(early, here, weekdays=[0, 1, 2, 4, 5], starts=time(8), ends=time(12))
    make.make_hours(late, here, weekdays=[0], starts=time(11), ends=time(18, 30))
    make.make_hours(late, there, weekdays=[4], valid_from=TODAY + timedelta(days=20))
    make.make_hours(late, there, weekdays=[5], valid_from=TODAY + timedelta(days=29))
    make.make_hours(early, there, weekdays=[6], valid_until=TODAY - timedelta(days=1))
    make.make_hours(left, there, weekdays=[1])
    make.make_hours(early, gone, weekdays=[3])
    page = client.get("/contact/").content.decode().split("Usual opening hours")[1].split("</section>")[0]
    assert re.findall(r"<(?:h3|dt|dd)>([^<]+)", page) == [
        *("Here", "Monday", "08:00 to 18:30", "Tuesday to Wednesday", "08:00 to 12:00"),
        *("Friday to Saturday", "08:00 to 12:00"),
        *("There", "Friday", "09:00 to 17:00"),
    ]
