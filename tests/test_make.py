"""The factories make rows the database accepts, in every status."""

import pytest

from booking.models import Appointment
from tests import make

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", Appointment.Status.values)
@pytest.mark.parametrize("kind", ["treatment", "consultation"])
def test_an_appointment_can_be_made_in_every_status(status, kind):
    appointment = make.make_appointment(status=status, treatment=make.make_treatment(kind=kind))
    assert appointment.status == status


@pytest.mark.parametrize("role", make.ROLES)
def test_every_role_can_be_made(role):
    assert make.make_user(role=role).groups.get().name == role


def test_a_surgery_has_what_a_booking_takes():
    surgery = make.make_surgery()
    assert surgery.clinic.pk == 1
    assert set(surgery.practitioner.treatments.all()) == {surgery.treatment, surgery.consultation}
