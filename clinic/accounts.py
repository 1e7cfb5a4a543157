"""How people sign in: patients by an e-mailed code, staff by password and second factor."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.backends import ModelBackend


class ClinicBackend(ModelBackend):
    """Django's permissions; signing in itself is allauth's."""


class AccountAdapter(DefaultAccountAdapter):
    """What is ours in allauth's sign-in."""

    def is_open_for_signup(self, request) -> bool:
        """Nobody registers: a patient's account is made with the first appointment."""
        return False


class MFAAdapter(DefaultMFAAdapter):
    """The second factor of staff."""
