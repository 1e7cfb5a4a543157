"""`setup_clinic` and `demo`: believable, made once, never over real patients."""

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command

from booking.models import Appointment
from clinic.models import Clinic, Location, Patient, Practitioner, Room, Treatment, User
from education.models import Article
from screening import finished, reviews
from screening.models import Assessment, Effect, Questionnaire, QuestionnaireResponse, Review
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def development(settings):
    """The demonstration has open passwords, so it is only made in development."""
    settings.DEBUG = True


def rows() -> dict[str, int]:
    """How many rows each of our tables holds."""
    ours = ("clinic", "education", "screening", "booking", "outbox")
    return {
        model.__name__: model.objects.count() for label in ours for model in apps.get_app_config(label).get_models()
    }


def test_a_new_clinic_gets_drafts_and_nothing_that_is_published():
    call_command("setup_clinic", verbosity=0)
    assert Treatment.objects.count() == 6 and not Treatment.objects.offered().exists()
    assert set(Questionnaire.objects.values_list("name", "status")) == {
        ("microneedling", "draft"),
        ("microneedling-recheck", "draft"),
    }
    assert Article.objects.exists() and not Article.objects.exclude(published_revision=None).exists()
    before = rows()
    call_command("setup_clinic", verbosity=0)
    assert rows() == before


def test_what_an_editor_changed_is_neither_touched_nor_made_again():
    call_command("setup_clinic", verbosity=0)
    Treatment.objects.filter(slug="consultation").update(slug="talk")
    Treatment.objects.filter(slug="acne-scars-face").update(name="Scars of acne")
    Treatment.objects.filter(slug="stretch-marks").delete()
    before = rows(), list(Treatment.objects.order_by("pk").values())
    call_command("setup_clinic", verbosity=0)
    assert (rows(), list(Treatment.objects.order_by("pk").values())) == before
    with pytest.raises(CommandError, match="short names"):
        call_command("demo", verbosity=0)


def test_the_demonstration_is_believable_shows_every_state_holds_every_rule_and_is_made_once(client):
    call_command("demo", verbosity=0)
    assert Clinic.get().is_demo
    assert Location.objects.values("time_zone").distinct().count() == Location.objects.count() == 2
    counts = [model.objects.count() for model in (Practitioner, Room, Treatment, Patient)]
    assert counts == [5, 4, 6, 80]
    states = set(Appointment.objects.values_list("status", flat=True))
    assert {"pending", "booked", "fulfilled", "cancelled", "noshow"} <= states
    rang = {visit.patient_id for visit in Appointment.objects.filter(channel="phone")}
    assert rang == set(Patient.objects.filter(user=None).values_list("pk", flat=True)), "who asks online has signed in"
    assert not any(patient.user.has_usable_password() for patient in Patient.objects.exclude(user=None))
    screenings_in_every_state()
    client.force_login(User.objects.get(email="manager@demo.example"))
    assert "Nothing is missing. Patients can come." in client.get("/admin/opening/").content.decode()
    call_command("check_invariants", verbosity=0)
    before = rows()
    call_command("demo", verbosity=0)
    assert rows() == before


def screenings_in_every_state() -> None:
    """Every status, outcome, effect and kind of wait is there to be seen."""
    answers = QuestionnaireResponse.objects
    assert set(answers.values_list("status", flat=True)) == set(QuestionnaireResponse.Status.values)
    assert set(Review.objects.values_list("outcome", flat=True)) == set(Review.Outcome.values)
    for effect in set(Effect.values) - {Effect.INCOMPLETE}:  # what is sent is never incomplete
        assert Assessment.objects.filter(effect=effect).exists(), effect
    found = [finding for assessment in Assessment.objects.all() for finding in finished.stored_findings(assessment)]
    waits = {finding.until is None for finding in found if finding.effect == Effect.DEFER}
    assert waits == {True, False}, "waits with a date and without"
    assert {finding.rule for finding in found} >= {
        "waxing-under-7-days",
        "keloid-yes",
        "rosacea-now",
        "isotretinoin-still-taking",
    }
    said = [row.effect for row in reviews.worklist()]
    assert {Effect.DEFER, Effect.CONTRAINDICATED} <= set(said), "a clinician has to say no to somebody"


@pytest.mark.parametrize("when", ["2026-12-31T23:59:00Z", "2027-03-28T00:03:00Z", "2028-02-29T17:31:00Z"])
def test_a_small_demonstration_is_made_at_any_instant(when):
    with time_machine.travel(when, tick=False):
        call_command("demo", patients=13, verbosity=0)
        call_command("check_invariants", verbosity=0)
    assert Patient.objects.count() == 13


def test_a_database_with_real_patients_is_left_alone():
    make.make_patient()
    before = rows()
    with pytest.raises(CommandError, match="is not a demonstration"):
        call_command("demo", verbosity=0)
    assert rows() == before


def test_outside_development_there_is_no_demonstration(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("demo", verbosity=0)
    assert not Patient.objects.exists()
