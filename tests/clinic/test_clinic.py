"""The one row of the clinic: read once for each answer, and afresh everywhere else."""

import pytest

from clinic.models import Clinic
from tests import make

pytestmark = pytest.mark.django_db


def test_within_one_answer_the_clinic_is_read_once_and_what_is_saved_counts(django_assert_num_queries):
    make.make_clinic()
    with Clinic.read_once():
        with django_assert_num_queries(1):
            first, second = Clinic.get(), Clinic.get()
        assert first is second
        stored = Clinic.objects.get(pk=1)
        stored.hold_minutes = 35
        stored.save()
        assert Clinic.get().hold_minutes == 35


def test_outside_of_a_request_every_reading_is_a_new_one():
    make.make_clinic()
    with Clinic.read_once():
        Clinic.get()
    Clinic.objects.filter(pk=1).update(hold_minutes=45)
    assert Clinic.get().hold_minutes == 45


def test_a_clinic_made_within_a_request_is_found(django_assert_num_queries):
    Clinic.objects.all().delete()
    with Clinic.read_once():
        assert Clinic.get() is None
        make.make_clinic()
        assert Clinic.get().name == "The Scar Clinic"


def test_the_first_page_reads_it_once(client, django_assert_max_num_queries):
    make.make_clinic()
    client.get("/")
    with django_assert_max_num_queries(6) as asked:
        client.get("/")
    assert sum('FROM "clinic_clinic"' in query["sql"] for query in asked.captured_queries) == 1
