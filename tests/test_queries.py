"""Every page outside the staff site asks the database at most twelve times, and as often for three rows as for one.

Of every address there is, for nobody in particular and for patients in the middle of things; the lists of the staff
site are held to the same where they are tested.
"""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from education.models import Article
from outbox.models import Message
from tests import make
from tests.booking import steps
from tests.education import conftest as education
from tests.make import NOW
from tests.scene import Scene

pytestmark = pytest.mark.django_db

MOST = 12


def asked(scene: Scene, paths: list[str]) -> dict[tuple[str, str], int]:
    """The number of queries by who and what, for what answers with a page."""
    browsers = {name: scene.people[name] for name in ("nobody", "anna", "berta")} | {"holding": scene.somebody}
    found = {}
    for name, browser in browsers.items():
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                answer = browser.get(path)
            if answer.status_code == 200:
                found[name, path] = len(queries)
    return found


def test_every_page_asks_at_most_twelve_times_and_no_more_for_three_rows_than_for_one(monkeypatch):
    scene = Scene(monkeypatch)
    scene.somebody = scene.holding()
    held = f"/book/hold/{scene.somebody.session['hold']}/"
    paths = [address.path for address in scene.addresses() if not address.path.startswith("/admin/")]
    paths += [held, f"/book/{scene.surgery.treatment.slug}/", f"/appointments/{scene.visit_1.uuid}/"]
    paths += [f"/appointments/{scene.visit_1.uuid}/move/", f"/screening/decision/{scene.cleared.uuid}/"]
    paths = [path for path in dict.fromkeys(paths) if not path.endswith("logout/")]
    asked(scene, paths)  # now each browser has its session, and what each process reads once is read
    once = asked(scene, paths)
    assert {who for who, _path in once} == {"nobody", "anna", "berta", "holding"} and len(once) > 60
    assert ("anna", f"/appointments/{scene.visit_0.uuid}/move/") in once
    assert ("berta", f"/book/{scene.surgery.treatment.slug}/") in once

    editor, clinician = make.make_user("Content editor"), make.make_user("Clinician")
    for number in range(2):
        place = make.make_location()
        make.make_room(place)
        offered = make.make_treatment()
        who = make.make_practitioner(offered, scene.surgery.treatment, scene.surgery.consultation)
        make.make_hours(who, place)
        make.make_closure(place, NOW.date() + timedelta(days=3))
        education.published(Article.objects.create(slug=f"more-{number}", order=5), editor, clinician, now=NOW)
        for day, visit in enumerate((scene.visit_0, scene.visit_1), start=1):
            steps.talk(scene.surgery, steps.VISIT - timedelta(days=day), f"1{number}:00", patient=visit.patient)
    Message.objects.update(state="sent", sent_at=NOW)
    thrice = asked(scene, paths)

    assert {page: (once[page], count) for page, count in thrice.items() if page in once and count != once[page]} == {}
    assert {page: count for page, count in thrice.items() if count > MOST} == {}
