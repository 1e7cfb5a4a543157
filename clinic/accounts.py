"""How people sign in: patients by an e-mailed code, staff by password and second factor. Never the other way round.

The mail itself is `outbox.adapter`'s: this package imports no app.
"""

import base64
import os
import time
import uuid
from datetime import date, datetime, timedelta

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import (
    ChangePasswordForm,
    LoginForm,
    RequestLoginCodeForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
)
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess
from allauth.account.internal.stagekit import LOGIN_SESSION_KEY, clear_login
from allauth.account.models import EmailAddress
from allauth.core import context, ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from clinic.models import Clinic, Patient, Practitioner, User
from clinic.names import may_be_one_person

HOLD = "hold"  # in the session: the uuid of the held appointment that waits for the code
# In the session: where the last code went and when it ends, so that the page that asks for a new one says that it did;
# gone after signing in, when the address is corrected, and an hour after the end.
SENT = "code_sent"
CORRECTED = "address_to_correct"  # in the session: a mistyped address, for the next page that asks for one
NAME = "name_given"  # in the session: who the held time is for, as it was typed
BIRTH_DATE_TRIES = 5  # a day
SECOND_FACTOR_SHOWN = "second_factor"  # in the session: set up in this very session


class NotThatPerson(Exception):
    """Somebody else is signed in on this browser; the text says what to do."""


class PeopleBackend(AuthenticationBackend):
    """As allauth's, but that a patient's record comes with the user: every page of theirs asks for both."""

    def get_user(self, user_id) -> User | None:
        """Whoever a session belongs to; None when they are gone or no longer active."""
        user = User.objects.select_related("patient").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj, obj=None) -> set[str]:
        """Those of their roles: nobody is given a permission by themselves (clinic/roles.py), so none is looked for."""
        return self.get_group_permissions(user_obj, obj)


def signed_in(request: HttpRequest) -> User:
    """Who is signed in; raises PermissionDenied where nobody is."""
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    return user


def gets_codes(user: User | None) -> bool:
    """Whether a code is ever sent to this person: staff have a password and a second factor instead."""
    return user is not None and user.is_active and not user.is_staff and not user.is_superuser


def without_sign_in() -> QuerySet[Practitioner]:
    """Practitioners who see patients and can check none of them in: nobody with that role signs in as them."""
    able = User.objects.filter(
        Q(groups__name="Practitioner") | Q(is_superuser=True),
        practitioner=OuterRef("pk"),
        is_active=True,
        is_staff=True,
    )
    return Practitioner.objects.filter(~Exists(able), is_active=True).select_related("user")


class CodeForm(RequestLoginCodeForm):
    """Asks for a code. The page says the same whether the address is known, unknown, or a member of staff's."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("E-mail address")
        sent = code_sent(context.request) if context.request and not self.is_bound else {}
        mistyped = context.request.session.pop(CORRECTED, None) if context.request else None
        self.fields["email"].initial = sent.get("email") or mistyped
        self.too_old = bool(sent) and sent["until"] < time.time()

    def clean_email(self) -> str:
        """The address; without a person behind it where no code may be sent."""
        email = super().clean_email()
        user = getattr(self, "_user", None)
        if user is None and email and Patient.objects.filter(email__iexact=email, user=None).exists():
            user = user_for(email)  # booked by phone: they prove the address now, and their birth date on /my/
        self._user = user if gets_codes(user) else None
        return email


class PasswordForm(LoginForm):
    """Signs staff in with a password. The address has the name it has on every other page."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("E-mail address")


class NewPassword(forms.Form):
    """What is asked of a new password, in words; allauth and Django say it as programs do, also within the boxes."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        labels = {
            "oldpassword": _("The password you have now"),
            "password1": _("New password"),
            "password2": _("New password once more"),
        }
        for name, field in self.fields.items():
            field.label = labels.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)
        self.fields["password1"].help_text = _(
            "At least 12 letters, figures or signs, and not figures alone. Leave out your name and your address, and "
            "do not take one that many people have."
        )


class OtherPasswordForm(NewPassword, ChangePasswordForm):
    """Whoever is signed in as staff chooses another password."""


class FirstPasswordForm(NewPassword, ResetPasswordKeyForm):
    """Staff choose a password through the link in a message."""


class PasswordLinkForm(ResetPasswordForm):
    """Asks for a link to choose a password: for staff. A patient cannot give the account a password."""

    def clean_email(self) -> str:
        """The address; the page says the same for everybody."""
        email = super().clean_email()
        self.users: list[User] = [user for user in self.users if user.is_staff]
        return email


def user_for(email: str, name: str = "") -> User:
    """The person who signs in with this address, made (without a password, unproven) when there is none."""
    email = email.strip().lower()
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        try:
            with transaction.atomic():
                user = User.objects.create_user(email, name=name[:150])
        except IntegrityError:  # asked for twice at the same moment
            user = User.objects.get(email__iexact=email)
    # Without this row the code would be refused as one for an unknown address.
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"primary": True, "verified": False})
    return user


def forget_address(user: User, *, keep: str | None = None) -> None:
    """Ends what the address a person had until now opens: it signs nobody in, no link to choose a password goes there,
    and their sessions end, but for the one with the key `keep`. Call it with every new address, in its transaction."""
    EmailAddress.objects.filter(user=user).delete()
    for session in UserSession.objects.filter(user=user).exclude(session_key=keep or ""):
        session.end()


@transaction.atomic
def move_sign_in(patient: Patient, user: User) -> None:
    """Lets a patient who signs in as `user` do so with the address that the desk has now written in their record.

    Consequences: the old address opens nothing (`forget_address`; a code on its way there is refused, see `pre_login`).
    The new one is unproven until its code is written. An account of the new address that is nobody's goes: it would
    stand in the way for good. Without an address the record is linked to no sign-in, as if booked by phone: with the
    next address they prove their birth date again. Raises IntegrityError when somebody signs in with the new address;
    forms look before.
    """
    forget_address(user)
    if not patient.email:
        Patient.objects.filter(pk=patient.pk).update(user=None)
        return
    of_nobody = User.objects.filter(email__iexact=patient.email, is_staff=False, is_superuser=False, patient=None)
    of_nobody.exclude(pk=user.pk).delete()
    user.email = patient.email.lower()
    user.save(update_fields=["email"])
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)


class TooManyTries(Exception):
    """The birth date was wrong too often today."""


def waits_for_birth_date(user: User) -> bool:
    """Whether we know a patient with this proven address whose record is not linked to a sign-in yet."""
    unlinked = Patient.objects.filter(user=None, email__iexact=user.email)
    return not hasattr(user, "patient") and unlinked.exists()


@transaction.atomic
def link_patient(user: User, *, birth_date: date) -> Patient | None:
    """Links the record made at the desk to whoever proves its address (signed in by code) and its birth date.

    None when no record, or more than one, fits: a shared address never merges two people. Raises TooManyTries after
    five wrong dates in a day. The lock on the user makes tries count one after the other.
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    known = Patient.objects.filter(user=user).first()
    if known is not None:
        return known
    if not EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists():
        return None
    tries = f"clinic.birth_date.{user.pk}"
    if cache.get(tries, 0) >= BIRTH_DATE_TRIES:
        raise TooManyTries
    fitting = list(
        Patient.objects.select_for_update(no_key=True).filter(
            user=None, email__iexact=user.email, birth_date=birth_date
        )[:2]
    )
    if len(fitting) != 1:
        cache.set(tries, cache.get(tries, 0) + 1, timeout=24 * 60 * 60)
        return None
    patient = fitting[0]
    patient.user = user
    patient.save(update_fields=["user"])
    return patient


def somebody_else(request: HttpRequest, email: str = "") -> User | None:
    """Who is signed in on this browser, when it is not the person with this address. Say it before the details form:
    signing in as somebody else ends their session, with what they had begun in it."""
    user = request.user
    if not user.is_authenticated or (email and not user.is_staff and user.email.lower() == email.strip().lower()):
        return None
    return user


def begin_code(request: HttpRequest, *, email: str, name: str) -> HttpResponse:
    """Sends one code to the address given with a held time, and goes to the page where it is written.

    Set `request.session["hold"]` first: after the code the patient comes back to that time. Makes the account when
    there is none. Says the same for new, known and staff addresses (staff get no code). Whoever is signed in with
    this address already goes straight back.

    Raises:
        NotThatPerson: somebody else is signed in (see `somebody_else`).
    """
    if somebody_else(request, email) is not None:
        raise NotThatPerson(_("Somebody else is signed in on this device. Sign out first, then ask for the time."))
    request.session[NAME] = name
    if request.user.is_authenticated:
        return redirect(where_to(request))
    limited = ratelimit.consume_or_429(request, action="request_login_code", key=email.strip().lower())
    if limited is not None:
        return limited
    user = user_for(email, name)
    LoginCodeVerificationProcess.initiate(
        request=request, user=user if gets_codes(user) else None, email=email.strip().lower()
    )
    return redirect("account_confirm_login_code")


def may_be_theirs(request: HttpRequest, patient: Patient) -> bool:
    """Whether what was done in this browser may be this patient's: nobody of another name has asked for a code here."""
    given = request.session.get(NAME)
    return not isinstance(given, str) or may_be_one_person(given, patient.name)


def awaits_code(request: HttpRequest) -> bool:
    """Whether a code was sent for this browser and has not been written yet."""
    return LOGIN_SESSION_KEY in request.session


def code_sent(request: HttpRequest) -> dict:
    """Where the last code went (`email`) and when it ends (`until`); empty when there was none, or long ago."""
    sent = request.session.get(SENT)
    if not isinstance(sent, dict) or sent["until"] + 60 * 60 < time.time():
        return {}
    return sent


def correct_address(request: HttpRequest) -> str:
    """Forgets the code that is awaited, so that another address can be given; returns the path where that is done:
    the details of the held time, or the sign-in page. (allauth leads back to the code as long as one is awaited.)
    There the mistyped address stands in its box, once: it is not for whoever uses this device next."""
    mistyped = code_sent(request).get("email")
    clear_login(request)
    request.session.pop(SENT, None)
    path = held_time(request)
    if not path and mistyped:
        request.session[CORRECTED] = mistyped
    return path or reverse("account_request_login_code")


def held_time(request: HttpRequest) -> str:
    """The path of the held time in this session, or nothing."""
    try:
        return reverse("booking:hold", args=[uuid.UUID(str(request.session[HOLD]))])
    except KeyError:
        return ""
    except ValueError:
        del request.session[HOLD]
        return ""


def where_to(request: HttpRequest) -> str:
    """Where signing in leads: back to the held time, the staff site, or one's own page."""
    if request.user.is_staff:
        return reverse("admin:index")
    return held_time(request) or reverse("my")


class AccountAdapter(DefaultAccountAdapter):
    """What is ours in allauth's sign-in."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("The address or the password does not fit."),
        "incorrect_code": _("This code does not fit. Look at the newest message from us, or let us send a new code."),
        "too_many_login_attempts": _(
            "Those were too many tries. Please wait five minutes before you try a password again."
        ),
    }

    def is_open_for_signup(self, request) -> bool:
        """Nobody registers: a patient's account is made with the first appointment."""
        return False

    def add_message(self, request, level, message_template=None, message_context=None, **kwargs) -> None:
        """Also notes that a code was sent: allauth says so for every address, whether we know it or not."""
        if message_template == "account/messages/login_code_sent.txt":
            until = time.time() + settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT
            request.session[SENT] = {"email": (message_context or {}).get("email", ""), "until": until}
        if kwargs.get("message") == self.error_messages["too_many_login_attempts"]:  # that is of codes
            kwargs["message"] = _("Those were too many tries. Please ask for a new code.")
        super().add_message(request, level, message_template, message_context, **kwargs)

    def pre_login(self, request, user, **kwargs):
        """The last wall: staff never come in by a code, patients never by a password."""
        response = super().pre_login(request, user, **kwargs)
        if response is not None:
            return response
        used = kwargs.get("email") or user.email
        if used.lower() != user.email.lower():  # changed while the code was on its way
            messages.error(request, _("We have another e-mail address for you now. Please sign in with that one."))
            return redirect("account_login")
        methods = {record["method"] for record in get_authentication_records(request, user)}
        if ("code" in methods) == gets_codes(user):
            if user.is_staff:
                drop_unproven_address(user)
            request.session.pop(SENT, None)
            return None
        messages.error(request, _("Please sign in the other way, or call us."))
        return redirect("account_login")

    def get_login_redirect_url(self, request) -> str:
        """Back to the held time, if there is one."""
        return where_to(request)


def drop_unproven_address(user: User) -> None:
    """Forgets that this member of staff has not proven the address. allauth notes it whenever somebody asks for a link
    to choose a password, and then lets nobody set up a second factor: so that who registers with an address of
    another's cannot lock them out. Nobody registers here; the address of staff is the manager's word."""
    EmailAddress.objects.filter(user=user, verified=False).delete()


class MFAAdapter(DefaultMFAAdapter):
    """The second factor of staff. Its secrets are encrypted in the database (STACK: allauth keeps them in clear)."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("This code does not fit. Look at the app again: it shows a new one every half minute."),
        # Where a link to choose a password was asked for between signing in and this page: see drop_unproven_address.
        "unverified_email": _("Please sign out and sign in again. Then set up the app."),
    }

    def encrypt(self, text: str) -> str:
        """`text` under the newest of DATA_KEYS."""
        name, key = settings.DATA_KEYS[0]
        nonce = os.urandom(12)
        sealed = AESGCM(own_key(key)).encrypt(nonce, text.encode(), name.encode())
        return f"{name}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, encrypted_text: str) -> str:
        """The text; raises ValueError when no key opens it, so that nobody gets in."""
        name, _colon, sealed = encrypted_text.partition(":")
        key = dict(settings.DATA_KEYS).get(name)
        if key is None:
            raise ValueError("The second factor was encrypted with a key that is not in DATA_KEYS.")
        raw = base64.b64decode(sealed)
        try:
            return AESGCM(own_key(key)).decrypt(raw[:12], raw[12:], name.encode()).decode()
        except InvalidTag as error:
            raise ValueError("The second factor cannot be decrypted.") from error


def own_key(key: bytes) -> bytes:
    """A key of its own for this purpose: the key itself wraps the keys of sealed documents."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"clinic second factor").derive(key)


def rewrap_second_factors() -> int:
    """Encrypts every second factor anew with the newest key (before an old one goes). Returns how many."""
    adapter, done = MFAAdapter(), 0
    for authenticator in Authenticator.objects.filter(type__in=["totp", "recovery_codes"]):
        for field in ("secret", "seed", "migrated_codes"):
            value = authenticator.data.get(field)
            if isinstance(value, str):
                authenticator.data[field] = adapter.encrypt(adapter.decrypt(value))
            elif isinstance(value, list):
                authenticator.data[field] = [adapter.encrypt(adapter.decrypt(one)) for one in value]
        authenticator.save(update_fields=["data"])
        done += 1
    return done


def asks_second_factor() -> bool:
    """Whether staff need a second factor here: always, but in a demonstration on a developer's machine."""
    return settings.STAFF_SECOND_FACTOR and not (settings.DEBUG and is_demonstration())


def is_demonstration() -> bool:
    """Whether the people in this database are invented."""
    clinic = Clinic.get()
    return clinic is not None and clinic.is_demo


def has_second_factor(user: User) -> bool:
    """Whether the person has set up an authenticator app."""
    return is_mfa_enabled(user, [Authenticator.Type.TOTP])


def showed_second_factor(request: HttpRequest) -> bool:
    """Whether it was shown in this session, or set up in it."""
    if request.session.get(SECOND_FACTOR_SHOWN) == str(request.user.pk):
        return True
    return any(record["method"] == "mfa" for record in get_authentication_records(request, request.user))


def note_second_factor(request, user, authenticator, **kwargs) -> None:
    """Signal of allauth: set up just now, so this session has shown it. The person's other sessions end: with the
    password alone, one of them could take the second factor away again."""
    if authenticator.type == Authenticator.Type.TOTP:
        request.session[SECOND_FACTOR_SHOWN] = str(user.pk)
        for other in UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key):
            other.end()


def forget_sessions(*, now: datetime) -> int:
    """Removes sessions that have ended; nobody can sign in with them any more. Returns how many."""
    return Session.objects.filter(expire_date__lt=now).delete()[0]


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
