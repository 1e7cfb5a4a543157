"""What screening shows on gathered pages: who waits, what is missing before opening, a patient's own answers."""

from dataclasses import dataclass
from datetime import date, datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from clinic.models import Clinic, Location, Treatment, today_at
from clinic.panels import on_page_of
from clinic.registry import Missing, Panel, as_read_by
from clinic.zones import zone_beside
from screening import finished, reading, reviews
from screening.clearance import Clearances
from screening.models import Effect, Questionnaire, QuestionnaireResponse, Review


def who_waits(request: HttpRequest, now: datetime) -> dict:
    """How many wait for a clinician, the longest, the nearest visit, how many past the promise. One query."""
    found = reviews.waiting(now)
    return {
        "waiting": found,
        "oldest": reading.how_long(found.oldest, now) if found.oldest else "",
        "nearest": found.nearest,
    }


def missing_before_opening() -> list[Missing]:
    """What has to happen to the questionnaires before patients may come; empty when nothing has."""

    def missing(words: str) -> Missing:
        return Missing(words, reverse("admin:screening_questionnaire_changelist"), "screening.view_questionnaire")

    found = []
    active = list(Questionnaire.objects.active().prefetch_related("treatments"))
    full = [one for one in active if one.purpose == Questionnaire.Purpose.SCREENING]
    if not full:
        words = _("Publish the questions asked before treatment: one clinician proposes, the lead publishes.")
        found.append(missing(words))
    if not any(one.purpose == Questionnaire.Purpose.RECHECK for one in active):
        words = _("Publish the short questions asked before each session: nobody is checked in without them.")
        found.append(missing(words))
    for treatment in Treatment.objects.offered().filter(kind=Treatment.Kind.TREATMENT) if full else []:
        if not any(not one.treatments.all() or treatment in one.treatments.all() for one in full):
            found.append(missing(_("%(treatment)s: no published questions cover it.") % {"treatment": treatment}))
    clinic = Clinic.get()
    lead = clinic.lead_clinician if clinic else None
    if lead is not None and not lead.has_perm("screening.publish_questionnaire"):
        words = _("The lead clinician who is named does not have the role Lead clinician.")
        found.append(on_page_of("user", words, lead.pk))
    return found


def before_opening(request: HttpRequest, now: datetime) -> dict:
    """Always shown: when nothing is missing it says so."""
    return {"missing": as_read_by(request.user, missing_before_opening())}


@dataclass(frozen=True)
class Mine:
    """What one treatment of one area stands at, in words for the patient."""

    what: str
    state: str
    more: str
    link: str = ""
    link_words: str = ""
    counts: bool = False  # whether the answers still carry a visit


def my_answers(request: HttpRequest, now: datetime) -> dict | None:
    """A patient's own answers: when they were given, what stands where, what comes next. None without answers."""
    patient = getattr(request.user, "patient", None)
    if patient is None:
        return None
    response = (
        finished.finished_responses([patient.pk])
        .filter(questionnaire__purpose=Questionnaire.Purpose.SCREENING)
        .select_related("questionnaire", "data_key")
        .annotate(**finished.still_stands())
        .first()
    )
    if response is None:
        return None
    last_day = finished.last_day(response, Clinic.get())
    today = today_at(now)
    again = response.replaced or response.outdated or today > last_day
    rows = [] if again else _rows(response, today, now)
    may_count = any(row.counts for row in rows)
    if not rows and not again:  # nobody has asked for a decision: the rules say whether one is possible
        found = finished.says(response, today, now=now)
        may_count = found.effect not in (Effect.CONTRAINDICATED, Effect.INCOMPLETE)
    return {
        "response": response,
        "last_day": last_day if may_count else None,
        "again": again,
        "rows": rows,
    }


def _rows(response: QuestionnaireResponse, today: date, now: datetime) -> list[Mine]:
    assert response.patient_id is not None
    clearances = Clearances([response.patient_id])
    requests = response.requests.waiting().select_related("treatment", "area", "location")
    waiting = {(found.treatment_id, found.area_id): found for found in requests}
    places = list(Location.objects.filter(is_active=True))
    rows = [
        Mine(
            found.what_for,
            _("A clinician has your answers"),
            _("We answer by %(when)s.") % {"when": _by(found.answer_by, found.location, places)}
            if found.answer_by
            else "",
            counts=True,
        )
        for found in waiting.values()
    ]
    for one in clearances.reviews.values():
        if one.response_id != response.pk:
            continue
        if (one.treatment_id, one.area_id) in waiting:
            if one.deferred_until is not None and today < one.deferred_until:  # what waits is a visit after it
                rows.append(_decided(one))
        elif one.outcome in Review.CLEARING and clearances.still_counts(one, now).why == "waiting":
            words = _("Something has changed since our answer. A clinician looks again before you are treated.")
            rows.append(Mine(one.what_for, _("An earlier yes no longer counts"), words, counts=True))
        else:
            rows.append(_decided(one))
    return rows


def _by(moment: datetime, place: Location | None, places: list[Location]) -> str:
    """Until when, for a patient, by the clock of the place; whose it is where there are several."""
    if place is None:
        return reading.moment(moment, None, "l j F, H:i")
    return date_format(moment.astimezone(place.zone), "l j F, H:i") + zone_beside(place, places)


def _decided(review: Review) -> Mine:
    what = review.what_for
    link = reverse("screening:decision", args=[review.uuid])
    outcome = review.outcome
    if outcome in Review.CLEARING and review.valid_until:
        until = reading.long_day(review.valid_until)
        return Mine(what, _("A clinician said yes"), _("For visits up to %(day)s.") % {"day": until}, counts=True)
    if outcome == Review.Outcome.NEEDS_INFORMATION:
        if hasattr(review, "reply"):
            return Mine(what, _("A clinician has your reply"), "")
        reply = reverse("screening:reply", args=[review.uuid])
        return Mine(what, _("A clinician has a question for you"), "", reply, _("Read it and answer"))
    if outcome == Review.Outcome.DEFERRED:
        more = ""
        if review.deferred_until:
            more = _("You can ask again for a time from %(day)s.") % {"day": reading.long_day(review.deferred_until)}
        return Mine(what, _("Not yet"), more, link, _("Why, and what you can do"))
    if outcome == Review.Outcome.CONSULTATION_REQUIRED:
        return Mine(what, _("A clinician would like to see you first"), "", link, _("Why, and what you can do"))
    return Mine(what, _("Not right for you at the moment"), "", link, _("Why, and what you can do"))


WHO_WAITS = Panel("dashboard", 5, "screening/panels/who_waits.html", who_waits, "screening.decide")
OPENING = Panel("opening", 20, "screening/panels/before_opening.html", before_opening)
MINE = Panel("my", 20, "screening/panels/my_answers.html", my_answers)
