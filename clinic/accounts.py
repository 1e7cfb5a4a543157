"""How people sign in: patients by an e-mailed code, staff by password and second factor."""

from datetime import datetime, timedelta

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX

from clinic.models import User


class ClinicBackend(ModelBackend):
    """Django's permissions; signing in itself is allauth's."""


class AccountAdapter(DefaultAccountAdapter):
    """What is ours in allauth's sign-in."""

    def is_open_for_signup(self, request) -> bool:
        """Nobody registers: a patient's account is made with the first appointment."""
        return False


class MFAAdapter(DefaultMFAAdapter):
    """The second factor of staff."""


def forget_unproven(*, now: datetime) -> int:
    """Removes accounts that nobody proved within 24 hours (the code was never written). Returns how many.

    Never one of staff, of a patient, with a password, or that has signed in.
    """
    unproven = User.objects.filter(
        date_joined__lt=now - timedelta(hours=24),
        is_staff=False,
        is_superuser=False,
        last_login=None,
        patient=None,
        practitioner=None,
        password__startswith=UNUSABLE_PASSWORD_PREFIX,
    ).exclude(emailaddress__verified=True)
    return unproven.delete()[1].get("clinic.User", 0)
