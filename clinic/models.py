"""The nouns every app shares: people, places, and what is offered. No clinical content lives here."""

import secrets
import uuid
import zoneinfo
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Permission, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.db.models import Case, Exists, F, Func, OuterRef, Q, Value, When
from django.db.models.functions import Lower, Replace
from django.db.models.lookups import Contains
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic.ages import age_on
from clinic.days import day_in
from clinic.names import PLAIN, as_reference, same_name, share_a_word, words_of

# No vowels and no look-alikes: a reference is read out on the phone and never spells a word.
REFERENCE_LETTERS = "23456789BCDFGHJKMNPQRTVWXY"


def new_reference() -> str:
    """Eight random letters to say on the phone, such as `7KQ4M2XD`. It opens nothing by itself."""
    return "".join(secrets.choice(REFERENCE_LETTERS) for _letter in range(8))


def today_at(now: datetime, places: Iterable["Location"] | None = None) -> date:
    """The local day at these places, without any named at all that are open; the earliest, where they do not agree.

    Where there is a place it is never the day of the server, which may be in tomorrow already.
    """
    if places is None:
        places = Location.objects.filter(is_active=True)
    return min((place.day_of(now) for place in places), default=timezone.localdate(now))


def validate_time_zone(name: str) -> None:
    """Refuses what is not an IANA time zone name."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("%(name)s is not a time zone. Write one such as Europe/London."), params={"name": name})


class UserManager(BaseUserManager["User"]):
    """Makes people who sign in by e-mail."""

    use_in_migrations = True

    def _create(self, email: str, password: str | None, **fields) -> "User":
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        """A person who can sign in; without `password` only by a code sent to the address."""
        return self._create(email, password, **{"is_staff": False, "is_superuser": False, **fields})

    def create_superuser(self, email: str, password: str | None = None, **fields) -> "User":
        """A technical administrator. Grants nothing in `screening` (DESIGN section 1)."""
        return self._create(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def holding(self, email: str) -> models.QuerySet["User"]:
        """Which patient or member of staff signs in with an address. An account without either is nobody's: a code was
        asked for, and no more."""
        somebody = Q(is_staff=True) | Q(is_superuser=True) | Q(patient__isnull=False)
        return self.filter(somebody, email__iexact=email)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in: a patient by an e-mailed code, staff by password and second factor."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    is_staff = models.BooleanField(
        _("member of staff"),
        default=False,
        help_text=_("May open the staff site, with a password and a second factor."),
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Take this away instead of deleting: what they signed keeps their name.")
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        # In the staff site these are the accounts of staff only (clinic/admin.py).
        verbose_name = _("staff account")
        verbose_name_plural = _("staff accounts")
        constraints = [models.UniqueConstraint(Lower("email"), name="clinic_user_email_once")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """The name, or the address where no name was given."""
        return str(self)

    def get_short_name(self) -> str:
        """The first word of the name."""
        return str(self).split(" ")[0]

    def role_permissions(self) -> set[str]:
        """Those that come with a role, read once; a superuser's too, who holds every other without one."""
        if not self.is_active:
            return set()
        if not self.is_superuser:
            return self.get_group_permissions()
        if not hasattr(self, "_role_permissions"):
            found = Permission.objects.filter(group__user=self).values_list("content_type__app_label", "codename")
            self._role_permissions = {f"{app}.{codename}" for app, codename in found}
        return self._role_permissions

    def has_perm(self, perm: str, obj=None) -> bool:
        """As Django's, but what concerns `screening` comes from a group only: superuser is no clinician."""
        if perm.startswith("screening."):
            return perm in self.role_permissions()
        return super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        """As Django's, with the same exception for `screening`."""
        if app_label == "screening":
            return any(name.startswith("screening.") for name in self.role_permissions())
        return super().has_module_perms(app_label)


POLICIES = 1 << 48  # the advisory lock of the clinic's policies; those of booking have the kind above bit 56


class Clinic(models.Model):
    """The one clinic: its name, its words, and the policies a manager sets. There is exactly one row."""

    class ConsultationFirst(models.TextChoices):
        NEVER = "never", _("never")
        WHEN_NEEDED = "when-needed", _("when a finding needs it")
        ALWAYS = "always", _("always, for new patients")

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(_("name"), max_length=100)
    tagline = models.CharField(
        _("what we do, in one sentence"),
        max_length=200,
        blank=True,
        help_text=_("The first sentence of the home page."),
    )
    phone = PhoneNumberField(_("phone"), blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="GBP", help_text=_("Three letters, such as GBP."))
    sender_name = models.CharField(
        _("sender of our messages"),
        max_length=100,
        blank=True,
        help_text=_("Shown as the sender of e-mails. Choose a name that does not say what the clinic treats."),
    )
    calendar_title = models.CharField(
        _("title in calendar files"),
        max_length=60,
        default="Appointment",
        help_text=_("Others may see a patient's calendar. Keep it neutral."),
    )
    lead_clinician = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("lead clinician"),
    )
    outage_contact = models.CharField(
        _("whom to phone when messages do not go out"), max_length=150, blank=True, help_text=_("A name and a number.")
    )
    promise_working_days = models.PositiveSmallIntegerField(
        _("we answer within (working days)"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text=_("Patients are told the day. Times for new patients begin after it."),
    )
    promise_time = models.TimeField(
        _("and by this time of that day"),
        default="17:00",
        help_text=_("Usually 17:00. Patients are told this time. Times for new patients begin after it."),
    )
    lead_hours = models.PositiveSmallIntegerField(
        _("shortest notice for a new booking (hours)"),
        default=4,
        help_text=_(
            "Usually 4. Patients are offered no time that is sooner than this. The front desk may book sooner."
        ),
    )
    horizon_days = models.PositiveSmallIntegerField(
        _("how far ahead patients may book (days)"),
        default=90,
        validators=[MinValueValidator(7), MaxValueValidator(365)],
        help_text=_("Usually 90, from 7 to 365. Patients are offered no later day. The front desk may book later."),
    )
    slot_minutes = models.PositiveSmallIntegerField(
        _("times are offered every (minutes)"),
        default=15,
        validators=[MinValueValidator(5), MaxValueValidator(120)],
        help_text=_("Usually 15, from 5 to 120. With 15, a visit can begin at 9:00, 9:15, 9:30 and so on."),
    )
    notice_hours = models.PositiveSmallIntegerField(
        _("notice for moving or cancelling (hours)"),
        default=24,
        help_text=_("Later cancellations stay possible and are recorded as late; moving is not."),
    )
    hold_minutes = models.PositiveSmallIntegerField(
        _("a chosen time is kept for (minutes)"),
        default=10,
        validators=[MinValueValidator(5), MaxValueValidator(60)],
        help_text=_(
            "Usually 10, from 5 to 60. So long nobody else can take a time while its patient writes name and code."
        ),
    )
    screening_valid_days = models.PositiveSmallIntegerField(
        _("answers count for (days)"),
        default=90,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text=_("At most 90. It can be made shorter, never longer."),
    )
    consultation_first = models.CharField(
        _("a consultation before a first treatment"),
        max_length=12,
        choices=ConsultationFirst,
        default=ConsultationFirst.WHEN_NEEDED,
        help_text=_(
            "A consultation counts for six months. “When a finding needs it”: without one, a clinician cannot clear "
            "answers that ask for a look in person."
        ),
    )
    is_demo = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("clinic")
        verbose_name_plural = _("clinic")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="clinic_clinic_only_one"),
            models.CheckConstraint(
                condition=Q(screening_valid_days__gte=1, screening_valid_days__lte=90),
                name="clinic_clinic_answers_count_90_days_at_most",
            ),
            models.CheckConstraint(
                condition=Q(consultation_first__in=["never", "when-needed", "always"]),
                name="clinic_clinic_consultation_first_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args, **kwargs) -> None:
        """As Django's; what this request has read of the clinic before no longer holds."""
        super().save(*args, **kwargs)
        if (read := _clinic_of_this_request.get()) is not None:
            read.clear()

    @classmethod
    def get(cls) -> "Clinic | None":
        """The clinic, or None before `setup_clinic` has run. Within a request it is read once (`read_once`)."""
        read = _clinic_of_this_request.get()
        if not read:
            found = cls.objects.filter(pk=1).first()
            if read is None or found is None:
                return found
            read.append(found)
        return read[0]

    @classmethod
    def keep_policies(cls) -> None:
        """Nobody changes the policies until the transaction ends; what was read of them before is read anew. Every
        verb asks for it before its other locks."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [POLICIES])
        if (read := _clinic_of_this_request.get()) is not None:
            read.clear()

    @classmethod
    def change_policies(cls) -> None:
        """Waits for every verb under way, and holds the next ones up, until the transaction ends: none decides by
        policies that are about to change. Before other locks."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [POLICIES])

    @classmethod
    @contextmanager
    def read_once(cls) -> Iterator[None]:
        """Until the end of the block the row is read at most once: half a page needs it, and all under one policy."""
        token = _clinic_of_this_request.set([])
        try:
            yield
        finally:
            _clinic_of_this_request.reset(token)


# The row this request has read, if it has; None outside of requests, where every reading is a new one.
_clinic_of_this_request: ContextVar[list[Clinic] | None] = ContextVar("clinic_of_this_request", default=None)


class Area(models.Model):
    """A part of the body. The codes are those of the questionnaire's `treatment-area` and never change."""

    CODES = {
        "face": _("face"),
        "belly": _("belly"),
        "chest": _("chest"),
        "upper-back": _("upper back"),
        "lower-back": _("lower back"),
        "shoulder": _("shoulder"),
        "neck": _("neck"),
        "jawline": _("jawline"),
        "arm": _("arm"),
        "thigh-hip-or-buttock": _("thigh, hip or buttock"),
        "ear": _("ear"),
        "eyelid": _("eyelid"),
        "lips": _("lips"),
        "genitals": _("genitals"),
        "other": _("another part of the body"),
    }
    code = models.SlugField(_("code"), unique=True)

    class Meta:
        verbose_name = _("area of the body")
        verbose_name_plural = _("areas of the body")
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.CODES.get(self.code, self.code))


class Location(models.Model):
    """A place where patients are seen. All its hours are local wall-clock time in `time_zone`."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    slug = models.SlugField(_("short name in addresses"), unique=True)
    address = models.TextField(_("address"), max_length=500)
    directions = models.TextField(_("how to find us"), max_length=1000, blank=True)
    phone = PhoneNumberField(_("phone"))
    out_of_hours = models.TextField(
        _("when we are closed"), max_length=500, help_text=_("Whom a patient calls at night. Shown on every page.")
    )
    emergency = models.TextField(
        _("in an emergency"), max_length=500, help_text=_("The emergency number of the country, and when to use it.")
    )
    time_zone = models.CharField(
        _("time zone"), max_length=60, default="Europe/London", validators=[validate_time_zone]
    )
    is_active = models.BooleanField(_("open for booking"), default=True)

    class Meta:
        verbose_name = _("location")
        verbose_name_plural = _("locations")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone of this place."""
        return zoneinfo.ZoneInfo(self.time_zone)

    def day_of(self, instant: datetime) -> date:
        """The local day that an instant is on here."""
        return instant.astimezone(self.zone).date()


class Room(models.Model):
    """A room at a location; one appointment at a time, its cleaning included."""

    location = models.ForeignKey(Location, models.PROTECT, related_name="rooms", verbose_name=_("location"))
    name = models.CharField(_("name"), max_length=60)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("room")
        verbose_name_plural = _("rooms")
        ordering = ["location__name", "name"]
        constraints = [models.UniqueConstraint(fields=["location", "name"], name="clinic_room_name_once_per_location")]

    def __str__(self) -> str:
        return f"{self.name}, {self.location}"


class TreatmentQuerySet(models.QuerySet):
    """What is offered."""

    def offered(self) -> "TreatmentQuerySet":
        """Those that patients can ask for now. What is done to a part of the body needs one to be asked about."""
        somewhere = Exists(Area.objects.filter(treatments=OuterRef("pk")))
        return self.filter(Q(somewhere) | ~Q(kind=Treatment.Kind.TREATMENT), is_active=True)


class Treatment(models.Model):
    """What is offered (FHIR HealthcareService). Its kind never changes: it decides whether screening is needed."""

    class Kind(models.TextChoices):
        CONSULTATION = "consultation", _("consultation")
        REVIEW_VISIT = "review-visit", _("review visit")
        TREATMENT = "treatment", _("treatment")

    name = models.CharField(_("name"), max_length=100, unique=True)
    slug = models.SlugField(_("short name in addresses"), unique=True)
    kind = models.CharField(
        _("kind"),
        max_length=20,
        choices=Kind.choices,
        help_text=_("A treatment always needs screening and a clinician's decision. This cannot be changed later."),
    )
    summary = models.TextField(_("summary"), max_length=600, help_text=_("Two or three plain sentences."))
    areas = models.ManyToManyField(Area, blank=True, related_name="treatments", verbose_name=_("areas it treats"))
    duration_minutes = models.PositiveSmallIntegerField(
        _("minutes with the patient"),
        validators=[MinValueValidator(5), MaxValueValidator(480)],
        help_text=_("From 5 to 480. Patients see this length. Visits that are booked already keep theirs."),
    )
    buffer_minutes = models.PositiveSmallIntegerField(
        _("minutes to clean the room afterwards"),
        default=10,
        validators=[MaxValueValidator(120)],
        help_text=_("Usually 10, at most 120. Room and practitioner are taken for it too. Patients do not see it."),
    )
    minimum_interval_days = models.PositiveSmallIntegerField(
        _("days between two sessions on the same area"),
        default=28,
        # Fewer is for two clinicians to sign (CLINICAL 3.7).
        validators=[MinValueValidator(28), MaxValueValidator(365)],
        help_text=_("At least 28. Counts for everybody, staff included. It does not apply to consultations."),
    )
    sessions_min = models.PositiveSmallIntegerField(
        _("usual sessions, from"),
        default=1,
        help_text=_("Usually 1. Patients read how many sessions most people need. It limits no booking."),
    )
    sessions_max = models.PositiveSmallIntegerField(
        _("usual sessions, to"),
        default=1,
        help_text=_("Usually 1, and never fewer than “from”. It limits no booking."),
    )
    order = models.PositiveSmallIntegerField(_("order"), default=0)
    is_active = models.BooleanField(_("offered"), default=True)

    objects = TreatmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("treatment")
        verbose_name_plural = _("treatments")
        ordering = ["order", "name"]
        constraints = [
            models.CheckConstraint(condition=Q(duration_minutes__gte=5), name="clinic_treatment_lasts"),
            models.CheckConstraint(
                condition=Q(minimum_interval_days__gte=1) | ~Q(kind="treatment"), name="clinic_treatment_keeps_days"
            ),
            models.CheckConstraint(
                condition=Q(sessions_max__gte=F("sessions_min")), name="clinic_treatment_sessions_from_to"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def needs_screening(self) -> bool:
        """Whether a clinician has to clear the patient before this is booked."""
        return self.kind == self.Kind.TREATMENT

    @property
    def interval_days(self) -> int:
        """The days between two sessions on one area; none for what is no session."""
        return self.minimum_interval_days if self.needs_screening else 0

    def price_on(self, day: date) -> "TreatmentPrice | None":
        """The price in force on a day, or None where none was set. Reads `prices` once prefetched."""
        prices = [price for price in self.prices.all() if price.valid_from <= day]
        return max(prices, key=lambda price: price.valid_from, default=None)


class TreatmentPrice(models.Model):
    """What a session costs from a day on. The price of its day is kept with each appointment."""

    treatment = models.ForeignKey(Treatment, models.CASCADE, related_name="prices", verbose_name=_("treatment"))
    amount = models.DecimalField(_("price"), max_digits=8, decimal_places=2, validators=[MinValueValidator(0)])
    valid_from = models.DateField(_("from"))

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["treatment", "valid_from"], name="clinic_treatmentprice_one_a_day"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="clinic_treatmentprice_not_negative"),
        ]

    def __str__(self) -> str:
        return str(self.amount)


class Practitioner(models.Model):
    """Somebody who sees patients. Profession and registration are shown to patients before any question."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="practitioner",
        verbose_name=_("sign-in"),
    )
    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("short name in addresses"), unique=True)
    profession = models.CharField(_("profession"), max_length=100)
    registration = models.CharField(
        _("registration"), max_length=100, blank=True, help_text=_("The register and the number, such as NMC 12A3456E.")
    )
    text = models.TextField(_("about them"), max_length=600, blank=True)
    treatments = models.ManyToManyField(
        Treatment, blank=True, related_name="practitioners", verbose_name=_("treatments they give")
    )
    is_active = models.BooleanField(_("sees patients"), default=True)

    class Meta:
        verbose_name = _("practitioner")
        verbose_name_plural = _("practitioners")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


def plain_name() -> Func:
    """The name as `clinic.names` compares it, in SQL: small letters without accents, hyphens and apostrophes."""
    apart = Func(Lower("name"), template="normalize(%(expressions)s, NFKD)")
    found = Func(apart, Value("[\u0300-\u036f'’.-]"), Value(""), Value("g"), function="regexp_replace")
    for letter, as_written in PLAIN.items():
        found = Replace(found, Value(chr(letter)), Value(as_written))
    return found


class PatientQuerySet(models.QuerySet):
    """How people are found."""

    def matching(self, text: str) -> "PatientQuerySet":
        """By what somebody says of themselves: birth date, phone, or else all words of the name in any order (beside
        them perhaps the birth date or its year), the reference or the e-mail. Nobody for empty words."""
        text = text.replace("\0", "").strip()
        if not text:
            return self.none()
        today = timezone.localdate()
        day = day_in(text, born_by=today)
        if day is not None:
            return self.filter(birth_date=day)
        exactly = Q(reference__iexact=as_reference(text)) | Q(email__iexact=text)
        digits = "".join(letter for letter in text if letter.isdecimal())
        if len(digits) >= 5 and not any(letter.isalpha() for letter in text):
            return self.filter(exactly | Q(phone__contains=digits.lstrip("0")))
        named, born = Q(), Q()
        for word in text.replace(",", " ").split():
            day = day_in(word, born_by=today)
            if day is not None:
                born &= Q(birth_date=day)
            elif word.isdecimal() and len(word) == 4 and 1900 <= int(word) <= today.year:
                born &= Q(birth_date__year=int(word))
            else:
                for part in words_of(word):
                    named &= Q(Contains(plain_name(), part))
        return self.filter(named & born | exactly if named else exactly)


class Patient(models.Model):
    """A person who is treated. May have no login and no e-mail (booked by phone).

    It is linked to a login only when the same person proves e-mail and birth date; a shared address never merges two.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reference = models.CharField(_("reference"), max_length=8, unique=True, default=new_reference, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="patient", editable=False
    )
    name = models.CharField(_("full name"), max_length=150)
    birth_date = models.DateField(_("date of birth"))
    email = models.EmailField(_("e-mail"), blank=True)
    phone = PhoneNumberField(_("phone"), blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PatientQuerySet.as_manager()

    class Meta:
        verbose_name = _("patient")
        verbose_name_plural = _("patients")
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["birth_date"], name="clinic_patient_birth"),
            models.Index(Lower("email"), name="clinic_patient_email"),
            models.Index(Lower("name"), name="clinic_patient_name"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(birth_date__gte=date(1900, 1, 1)), name="clinic_patient_born_after_1900")
        ]

    def __str__(self) -> str:
        return self.name

    def age_on(self, day: date) -> int:
        """Whole years on a local day, see `clinic.ages`."""
        return age_on(self.birth_date, day)

    def shares_address(self) -> bool:
        """Whether somebody else signs in with this address: then no code sent there ever opens this record."""
        return bool(self.email) and self.user_id is None and User.objects.holding(self.email).exists()

    def likely_duplicates(self) -> models.QuerySet:
        """Other patients who may be the same person, those born on the same day first.

        They have the same phone, e-mail or name, or were born on the same day and share a word of the name. Every name
        is read (one query, and the result is another): the database does not compare names as people do.
        """
        others = Patient.objects.exclude(pk=self.pk)
        alike = [
            pk
            for pk, name, born in others.values_list("pk", "name", "birth_date").iterator()
            if same_name(name, self.name) or (born == self.birth_date and share_a_word(name, self.name))
        ]
        same = Q(pk__in=alike)
        if self.phone:
            same |= Q(phone=self.phone)
        if self.email:
            same |= Q(email__iexact=self.email)
        born_elsewhen = Case(When(birth_date=self.birth_date, then=0), default=1)
        return others.filter(same).order_by(born_elsewhen, "name", "id")


class CallBack(models.Model):
    """Somebody asked to be rung. Carries no answer and no reason that says anything about health."""

    class About(models.TextChoices):
        FORM = "form", _("help with the questions")
        TALK = "talk", _("wants to talk to us")
        LANGUAGE = "language", _("another language")
        NAME = "name", _("somebody answered with this address under another name or birth date: ask who")

    name = models.CharField(_("name"), max_length=150)
    phone = PhoneNumberField(_("phone"))
    about = models.CharField(_("about"), max_length=20, choices=About.choices, default=About.TALK)
    language = models.CharField(_("language"), max_length=60, blank=True)
    request_key = models.UUIDField(unique=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    done_at = models.DateTimeField(_("rung"), null=True, blank=True, editable=False)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("call back")
        verbose_name_plural = _("call backs")
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(done_at__isnull=True, done_by__isnull=True)
                | Q(done_at__isnull=False, done_by__isnull=False),
                name="clinic_callback_who_and_when_together",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def mark_done(self, *, by: User, now) -> None:
        """Records that they were rung. Does nothing the second time."""
        CallBack.objects.filter(pk=self.pk, done_at=None).update(done_at=now, done_by=by)
