"""What waits for the front desk."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import (
    CharField,
    Count,
    QuerySet,
    Value,
    Window,
)
from django.utils.translation import gettext as _

from booking.lines import not_treated
from booking.models import Appointment
from booking.standing import cannot_stand, today_there
from booking.sweep import WARNINGS
from clinic.models import CallBack, User
from outbox.models import Message

Status = Appointment.Status
# How many lines of each kind stand beside the day; the lists have all of them.
BESIDE = 5


@dataclass
class Task:
    """A kind of thing to do, with its first rows and how many there are."""

    title: str
    rows: list
    more: int
    kind: str


def attention(now: datetime) -> dict[str, QuerySet[Appointment]]:
    """What somebody should do something about, for "to do": each a QuerySet with names, nearest first.

    form_due: a form we wait for; to_move: see `cannot_stand`; not_treated: see there; review_soon: not confirmed, and
    less than a day away or begun today; not_closed: visits still open whose local day is over.
    """
    visits = Appointment.objects.with_names().order_by("starts_at", "pk")
    today = today_there(now, "room__location__time_zone")
    return {
        "form_due": visits.filter(status=Status.PENDING, form_due_by__isnull=False).order_by("form_due_by", "pk"),
        "to_move": cannot_stand(now=now),
        "not_treated": not_treated(now=now),
        "review_soon": visits.filter(
            # Its patient may sit in the waiting room: it stays until its day is over, and is in `not_closed` after it.
            status=Status.PENDING,
            local_date__gte=today,
            starts_at__lte=now + WARNINGS[0],
        ),
        "not_closed": visits.filter(
            status__in=[Status.PENDING, *Appointment.ON_A_REVIEW],
            local_date__lt=today,
        ),
    }


def to_do(*, now: datetime, user: User) -> list[Task]:
    """What waits for the front desk, worst first, each kind with its first rows and how many more there are; kinds
    without any are left out. Three queries, however much waits."""
    calls = _first(CallBack.objects.filter(done_at=None).order_by("created_at"))
    unclear = _first(Message.objects.unclear(now=now)) if user.has_perm("outbox.view_message") else []
    return _tasks({"call-back": calls, "message": unclear, **_first_visits(attention(now))})


def visits_to_do(*, now: datetime) -> list[Task]:
    """The part of `to_do` that is about visits. One query."""
    return _tasks(_first_visits(attention(now)))


def _tasks(rows: dict[str, list]) -> list[Task]:
    """Who would travel for nothing; who waits for our call or may not have heard from us; who owes us something; what
    is over."""
    titles = {
        "to_move": _("Time to be moved"),
        "review_soon": _("Today or soon, and not confirmed yet"),
        "call-back": _("Call back"),
        "message": _("Message unclear: sent or not?"),
        "not_treated": _("Not treated: find another time"),
        "form_due": _("Form due"),
        "not_closed": _("Past days, still open"),
    }
    return [
        Task(title, rows[kind], rows[kind][0].waiting - len(rows[kind]), kind)
        for kind, title in titles.items()
        if rows.get(kind)
    ]


def _first(rows: QuerySet) -> list:
    """The first rows, each with `waiting`: how many there are in all."""
    return list(rows.annotate(waiting=Window(Count("pk")))[:BESIDE])


def _first_visits(kinds: dict[str, QuerySet[Appointment]]) -> dict[str, list[Appointment]]:
    """The same of each kind, in one query."""
    parts = [
        visits.annotate(kind=Value(kind, CharField()), waiting=Window(Count("pk")))[:BESIDE]
        for kind, visits in kinds.items()
    ]
    found: dict[str, list[Appointment]] = {kind: [] for kind in kinds}
    for visit in parts[0].union(*parts[1:], all=True):
        found[visit.kind].append(visit)
    for kind, visits in found.items():  # a union keeps no order
        visits.sort(key=lambda visit: (visit.form_due_by if kind == "form_due" else visit.starts_at, visit.pk))
    return found
