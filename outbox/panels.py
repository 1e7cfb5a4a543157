"""What the first page of staff says about messages."""

from datetime import datetime

from django.http import HttpRequest

from clinic.models import Clinic
from clinic.registry import Panel
from outbox import worker


def going_out(request: HttpRequest, now: datetime) -> dict:
    """Always shown: that all is well is worth knowing too."""
    clinic = Clinic.get()
    return {"health": worker.health(now=now), "outage_contact": clinic.outage_contact if clinic else ""}


DASHBOARD = Panel("dashboard", 90, "outbox/panels/going_out.html", going_out, "outbox.view_message")
