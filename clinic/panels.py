"""What the project package itself shows on gathered pages: what is missing before opening, and who waits for a call."""

from datetime import datetime

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import accounts
from clinic.models import Area, CallBack, Clinic, Location, Practitioner, Room, Treatment, TreatmentPrice, today_at
from clinic.registry import Missing, Panel, as_read_by


def on_page_of(noun: str, words: str, pk: int | None = None) -> Missing:
    """What is missing on the staff pages of one of our nouns; who may change it does it."""
    link = reverse(f"admin:clinic_{noun}_change", args=[pk]) if pk else reverse(f"admin:clinic_{noun}_changelist")
    return Missing(words, link, f"clinic.change_{noun}")


def missing_before_opening(now: datetime) -> list[Missing]:
    """What is missing among the shared nouns; empty when patients may come."""
    clinic = Clinic.get()
    if clinic is None:
        return [Missing(_("The clinic is not set up: run the command setup_clinic."))]
    missing = []
    if clinic.lead_clinician is None or not clinic.lead_clinician.is_active:
        missing.append(on_page_of("clinic", _("Name the lead clinician.")))
    if not clinic.outage_contact:
        missing.append(on_page_of("clinic", _("Say whom to phone when messages do not go out.")))
    if not clinic.sender_name:
        words = _("Choose the sender of our messages: a name that does not say what we treat.")
        missing.append(on_page_of("clinic", words))
    if not clinic.phone:
        missing.append(on_page_of("clinic", _("Give the telephone number that patients see.")))
    rooms = Room.objects.filter(location=OuterRef("pk"), is_active=True)
    places = list(Location.objects.filter(is_active=True).annotate(has_room=Exists(rooms)))
    if not places:
        missing.append(on_page_of("location", _("Add a location that is open for booking.")))
    for place in places:
        if not place.emergency.strip() or not place.out_of_hours.strip():
            words = _("%(place)s: write whom patients call at night and in an emergency.") % {"place": place}
            missing.append(on_page_of("location", words, place.pk))
    if not any(place.has_room for place in places):
        missing.append(on_page_of("room", _("Add a room.")))
    this = {"treatments": OuterRef("pk")}
    treatments = list(
        Treatment.objects.filter(is_active=True).annotate(
            is_priced=Exists(
                TreatmentPrice.objects.filter(treatment=OuterRef("pk"), valid_from__lte=today_at(now, places))
            ),
            has_areas=Exists(Area.objects.filter(**this)),
            is_given=Exists(Practitioner.objects.filter(is_active=True, **this)),
        )
    )
    if not treatments:
        missing.append(on_page_of("treatment", _("Offer a treatment.")))
    for treatment in treatments:
        name = {"treatment": treatment}
        if not treatment.is_priced:
            missing.append(on_page_of("treatment", _("%(treatment)s: give the price.") % name, treatment.pk))
        if treatment.needs_screening and not treatment.has_areas:
            missing.append(on_page_of("treatment", _("%(treatment)s: say which areas it treats.") % name, treatment.pk))
        if not treatment.is_given:
            missing.append(on_page_of("practitioner", _("%(treatment)s: nobody gives it.") % name))
    for practitioner in Practitioner.objects.filter(is_active=True, registration=""):
        words = _("%(name)s: write the registration; patients see it.") % {"name": practitioner}
        missing.append(on_page_of("practitioner", words, practitioner.pk))
    for person in accounts.without_sign_in():
        words = _("%(name)s sees patients, but cannot check them in: a sign-in with the role Practitioner is missing.")
        active = person.user is not None and person.user.is_active
        noun, pk = ("user", person.user_id) if active else ("practitioner", person.pk)
        missing.append(on_page_of(noun, words % {"name": person}, pk))
    return missing


def before_opening(request: HttpRequest, now: datetime) -> dict:
    """Always shown: when nothing is missing it says so, and which promise patients are given."""
    return {"missing": as_read_by(request.user, missing_before_opening(now)), "clinic": Clinic.get()}


def call_backs(request: HttpRequest, now: datetime) -> dict | None:
    """Who waits for a call, oldest first; None when nobody does."""
    waiting = list(CallBack.objects.filter(done_at=None)[:20])
    return {"call_backs": waiting} if waiting else None


OPENING = Panel("opening", 10, "clinic/panels/before_opening.html", before_opening)
CALL_BACKS = Panel("dashboard", 30, "clinic/panels/call_backs.html", call_backs, "clinic.view_callback")
