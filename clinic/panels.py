"""What the project package itself shows on gathered pages: what is missing before opening, and who waits for a call."""

from datetime import datetime

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.models import Area, CallBack, Clinic, Location, Practitioner, Room, Treatment, TreatmentPrice
from clinic.registry import Panel


def missing_before_opening(now: datetime) -> list[tuple[str, str]]:
    """(what is missing, where to do it) for the shared nouns; empty when patients may come."""
    missing = []
    clinic = Clinic.get()
    home = reverse("admin:clinic_clinic_changelist")
    if clinic is None:
        return [(_("The clinic is not set up: run the command setup_clinic."), home)]
    if clinic.lead_clinician is None or not clinic.lead_clinician.is_active:
        missing.append((_("Name the lead clinician."), home))
    if not clinic.outage_contact:
        missing.append((_("Say whom to phone when messages do not go out."), home))
    if not clinic.sender_name:
        missing.append((_("Choose the sender of our messages: a name that does not say what we treat."), home))
    if not clinic.phone:
        missing.append((_("Give the telephone number that patients see."), home))
    rooms = Room.objects.filter(location=OuterRef("pk"), is_active=True)
    places = list(Location.objects.filter(is_active=True).annotate(has_room=Exists(rooms)))
    if not places:
        missing.append((_("Add a location that is open for booking."), reverse("admin:clinic_location_changelist")))
    for place in places:
        if not place.emergency.strip() or not place.out_of_hours.strip():
            words = _("%(place)s: write whom patients call at night and in an emergency.") % {"place": place}
            missing.append((words, reverse("admin:clinic_location_change", args=[place.pk])))
    if not any(place.has_room for place in places):
        missing.append((_("Add a room."), reverse("admin:clinic_room_changelist")))
    this = {"treatments": OuterRef("pk")}
    treatments = list(
        Treatment.objects.offered().annotate(
            is_priced=Exists(
                TreatmentPrice.objects.filter(treatment=OuterRef("pk"), valid_from__lte=timezone.localdate(now))
            ),
            has_areas=Exists(Area.objects.filter(**this)),
            is_given=Exists(Practitioner.objects.filter(is_active=True, **this)),
        )
    )
    if not treatments:
        missing.append((_("Offer a treatment."), reverse("admin:clinic_treatment_changelist")))
    for treatment in treatments:
        link = reverse("admin:clinic_treatment_change", args=[treatment.pk])
        if not treatment.is_priced:
            missing.append((_("%(treatment)s: give the price.") % {"treatment": treatment}, link))
        if treatment.needs_screening and not treatment.has_areas:
            missing.append((_("%(treatment)s: say which areas it treats.") % {"treatment": treatment}, link))
        if not treatment.is_given:
            words = _("%(treatment)s: nobody gives it.") % {"treatment": treatment}
            missing.append((words, reverse("admin:clinic_practitioner_changelist")))
    for practitioner in Practitioner.objects.filter(is_active=True, registration=""):
        words = _("%(name)s: write the registration; patients see it.") % {"name": practitioner}
        missing.append((words, reverse("admin:clinic_practitioner_change", args=[practitioner.pk])))
    return missing


def before_opening(request: HttpRequest, now: datetime) -> dict:
    """Always shown: when nothing is missing it says so, and which promise patients are given."""
    return {"missing": missing_before_opening(now), "clinic": Clinic.get()}


def call_backs(request: HttpRequest, now: datetime) -> dict | None:
    """Who waits for a call, oldest first; None when nobody does."""
    waiting = list(CallBack.objects.filter(done_at=None)[:20])
    return {"call_backs": waiting} if waiting else None


OPENING = Panel("opening", 10, "clinic/panels/before_opening.html", before_opening, "clinic.change_clinic")
CALL_BACKS = Panel("dashboard", 30, "clinic/panels/call_backs.html", call_backs, "clinic.view_callback")
