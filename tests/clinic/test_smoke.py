import pytest
from django.contrib.auth.models import Group


@pytest.mark.django_db
def test_it_has_the_six_roles():
    names = set(Group.objects.values_list("name", flat=True))
    assert {"Front desk", "Practitioner", "Clinician", "Lead clinician", "Content editor", "Manager"} <= names
