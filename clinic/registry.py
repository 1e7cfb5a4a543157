"""Where apps leave what others need of them: panels, who treats whom, who was seen when, which visits are to come or
hit by what is switched off, which headings are needed.

`clinic` imports no app; each app registers here from its AppConfig.ready().
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.http import HttpRequest, HttpResponse

from clinic.apps import roles_with


@dataclass(frozen=True)
class Panel:
    """A part of a gathered page. `context(request, now)` gives the template its data, or None to show nothing; on the
    page of a patient in the staff site it is `context(request, now, patient)`."""

    page: str  # "dashboard", "opening" (what must happen before opening), "home", "contact", "my" or "patient"
    order: int
    template: str
    context: Callable[..., dict | None]
    permission: str = ""


@dataclass(frozen=True)
class Missing:
    """Something that must happen before opening, and where. `permission`: of those who do it there."""

    words: str
    link: str = ""
    permission: str = ""

    @property
    def by(self) -> str:
        """The roles that do it, in words; empty when it is no role's."""
        return ", ".join(roles_with(self.permission)) if self.permission else ""


def as_read_by(user, missing: Iterable[Missing]) -> list[Missing]:
    """All that is missing; its link is left out where this person would find a closed door."""
    return [one if user.has_perm(one.permission) else replace(one, link="") for one in missing]


Seen = tuple[datetime, date]  # when a consultation that took place began, and its local day

_panels: list[Panel] = []
_treats: list[Callable] = []
_seen: list[Callable] = []
_grounds: list[Callable] = []
_linked: list[Callable] = []
_headings: list[Callable[[str], set[str]]] = []
_to_come: list[Callable[[int, datetime], int]] = []
_says_hits: list[Callable[..., HttpResponse]] = []


def register_panel(panel: Panel) -> None:
    """Adds a panel to its page; the same one twice counts once."""
    if panel not in _panels:
        _panels.append(panel)


def panels_for(page: str, request: HttpRequest, now: datetime, *about) -> list[tuple[str, dict]]:
    """(template, context) of each panel this person may see on a page, in order. about: whom or what the page shows."""
    shown = []
    for panel in sorted((p for p in _panels if p.page == page), key=lambda p: p.order):
        if panel.permission and not request.user.has_perm(panel.permission):
            continue
        context = panel.context(request, now, *about)
        if context is not None:
            shown.append((panel.template, context))
    return shown


def register_treats(patients_of: Callable) -> None:
    """`patients_of(user, now) -> set[int]`: ids of patients seen about now. Booking registers it."""
    if patients_of not in _treats:
        _treats.append(patients_of)


def patients_treated_by(user, now: datetime) -> set[int]:
    """Ids of the patients with an appointment with this person from 30 days ago to 7 days ahead (DESIGN section 1)."""
    return {patient for patients_of in _treats for patient in patients_of(user, now)}


def register_linked(follow: Callable) -> None:
    """`follow(request, user, now=)`: called when a record made at the desk is linked to who is signed in.

    Screening registers it: what this browser answered before it had a name is that patient's."""
    if follow not in _linked:
        _linked.append(follow)


def patient_linked(request: HttpRequest, user, now: datetime) -> None:
    """Tells the apps that whoever is signed in on this browser is a patient from now on."""
    for follow in _linked:
        follow(request, user, now=now)


def register_seen(seen_in: Callable) -> None:
    """`seen_in(patient_ids) -> dict[int, list[Seen]]`: see `consultations_of`. Booking registers it."""
    if seen_in not in _seen:
        _seen.append(seen_in)


def consultations_of(patient_ids: Iterable[int]) -> dict[int, list[Seen]]:
    """When each patient's fulfilled consultations began, and on which local day; whoever had none is left out."""
    ids = set(patient_ids)
    found: dict[int, list[Seen]] = {}
    for seen_in in _seen:
        for patient, days in seen_in(ids).items():
            found.setdefault(patient, []).extend(days)
    return found


def register_grounds(follow: Callable) -> None:
    """`follow(by, now, patient) -> int`: called when what decisions rest on has changed, a policy of the clinic or, of
    one patient, the date of birth. Booking registers it."""
    if follow not in _grounds:
        _grounds.append(follow)


def grounds_changed(by, now: datetime, patient=None) -> int:
    """Tells the apps of it, inside the transaction of the change. How many confirmed visits do not stand any more."""
    return sum(follow(by, now, patient) for follow in _grounds)


def register_headings(needed_on: Callable[[str], set[str]]) -> None:
    """`needed_on(slug) -> set[str]`: ids of headings on a page of education that something leads to now.

    Screening registers it: its findings lead to the paragraph that explains them."""
    if needed_on not in _headings:
        _headings.append(needed_on)


def headings_needed_on(slug: str) -> set[str]:
    """Ids of the headings that this page of education has to keep."""
    return {heading for needed_on in _headings for heading in needed_on(slug)}


def register_to_come(visits: Callable[[int, datetime], int]) -> None:
    """`visits(practitioner_id, now) -> int`: how many visits with somebody are to come. Booking registers it."""
    if visits not in _to_come:
        _to_come.append(visits)


def visits_to_come(practitioner_id: int, now: datetime) -> int:
    """How many visits with this practitioner are to come."""
    return sum(visits(practitioner_id, now) for visits in _to_come)


def register_says_hits(saying_hits: Callable[..., HttpResponse]) -> None:
    """`saying_hits(request, view, *args)`: what `view` answers, with a warning about the visits it hits. Booking
    registers it."""
    if saying_hits not in _says_hits:
        _says_hits.append(saying_hits)


def saying_hits(request: HttpRequest, view: Callable[..., HttpResponse], *args) -> HttpResponse:
    """What `view` answers; where it made visits unable to stand, whoever saved is told and led to the list of them."""
    return _says_hits[0](request, view, *args) if _says_hits else view(request, *args)
