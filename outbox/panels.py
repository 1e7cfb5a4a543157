"""What gathered pages say about messages: to staff how they go out, to patients what was written to them."""

from datetime import datetime

from django.http import HttpRequest

from clinic.models import Clinic
from clinic.registry import Panel
from outbox import worker
from outbox.models import Message

HANDFUL = 5


def going_out(request: HttpRequest, now: datetime) -> dict:
    """Always shown: that all is well is worth knowing too."""
    clinic = Clinic.get()
    return {"health": worker.health(now=now), "outage_contact": clinic.outage_contact if clinic else ""}


def written_to_me(request: HttpRequest, now: datetime) -> dict | None:
    """What went out to the signed-in patient, newest first: subjects and days, no words and no address. A handful, or
    all where the address of the page asks for them. None for whoever is no patient."""
    patient = getattr(request.user, "patient", None)
    if patient is None:
        return None
    everything = request.GET.get("messages") == "all"
    found = list(Message.objects.sent_to(patient)[: None if everything else HANDFUL + 1])
    shown = found if everything else found[:HANDFUL]
    return {"written": shown, "more": len(found) > len(shown)}


DASHBOARD = Panel("dashboard", 90, "outbox/panels/going_out.html", going_out, "outbox.view_message")
MINE = Panel("my", 30, "outbox/panels/written_to_me.html", written_to_me)
