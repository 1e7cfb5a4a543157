"""How answers are laid out for whoever reads them: what matters first, what changed, every answer as it was given."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time

from django.utils import formats, timezone
from django.utils.dates import MONTHS
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic.models import Location
from screening import assessment as rules
from screening import finished, reviews, sealing
from screening.models import Effect, Questionnaire, QuestionnaireResponse, Review, ReviewRequest
from screening.questionnaires import UNKNOWN_DATE

STATUS_CLASS: dict[str, str] = {
    Effect.CONTRAINDICATED: "stop",
    Effect.INCOMPLETE: "stop",
    Effect.DEFER: "wait",
    Effect.REVIEW: "information",
    Effect.ADVISE: "plain",
    Effect.NONE: "plain",
}
OVERRIDE_WORDS = {
    "O0": gettext_lazy("Nobody can override this. The answer itself has to change."),
    "O1": gettext_lazy("A clinician may accept this, with a reason."),
    "O2": gettext_lazy("This takes the lead clinician and a second clinician."),
}
NEED_WORDS = {
    "prescriber": gettext_lazy("a prescriber"),
    "lead-clinician": gettext_lazy("the lead clinician"),
    "face-to-face": gettext_lazy("seeing the patient face to face"),
    "consultation-first": gettext_lazy("a consultation first"),
    "no-numbing": gettext_lazy("treatment without numbing"),
    "staff-help": gettext_lazy("help with the form by a member of staff"),
}


@dataclass
class Line:
    """One question with its answer, as the patient saw them."""

    link_id: str
    section: str
    text: str
    hint: str
    answer: str
    follows: bool
    is_text: bool
    first: bool = False
    earlier: list[tuple[date, str]] = field(default_factory=list)


@dataclass
class Read:
    """One finding with what it is about."""

    finding: rules.Finding
    heading: str
    status: str
    word: str
    answers: list[Line]
    needs: list[str]
    override: str
    to_address: bool
    words: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def field(self) -> str:
        """The name of the box for its words."""
        return f"reason-{self.finding.rule}"


def answer_words(item: dict) -> str:
    """An answer in words: the labels that were chosen, the text in full, a date as far as it was known."""
    value, kind = item["value"], item["kind"]
    if item.get("labels"):
        return ", ".join(str(label) for label in item["labels"])
    if kind in ("day", "date"):
        return _date_words(value)
    words = ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)
    return f"{words} {item['unit']}" if item.get("unit") else words


def _date_words(value) -> str:
    if value == UNKNOWN_DATE:
        return _("does not remember")
    parts = str(value).split("-")
    try:
        if len(parts) == 3:
            return formats.date_format(date.fromisoformat(str(value)), "j F Y")
        if len(parts) == 2:
            return f"{MONTHS[int(parts[1])]} {parts[0]}"
    except (ValueError, KeyError):
        pass
    return str(value)


def status_of(effect: str) -> str:
    """The look of an effect's word; what is not known looks like a stop."""
    return STATUS_CLASS.get(effect, "stop")


def earlier_responses(response: QuestionnaireResponse) -> list[QuestionnaireResponse]:
    """The same patient's other finished answers, withdrawn ones too, newest first. Every attempt is kept (H10)."""
    if response.patient_id is None:
        return []
    found = (
        QuestionnaireResponse.objects.filter(patient_id=response.patient_id, completed_at__lte=response.completed_at)
        .exclude(pk=response.pk)
        .select_related("questionnaire", "data_key", "assisted_by", "patient")
    )
    return list(found.order_by("-completed_at", "-id"))


def lines_of(
    response: QuestionnaireResponse, found: rules.Assessment, earlier: Iterable[QuestionnaireResponse] = ()
) -> list[Line]:
    """Every answer in the order of the form. `first` marks those a reader has to see before the rest: whatever a
    finding is about, whatever is not a plain harmless code, and text. `earlier` holds every other answer to the same
    question, each once with the last day it was given: however many forms later, what was said first is not forgotten.
    Raises sealing.SealBroken when the answers cannot be read; earlier ones that cannot be are left out."""
    items = finished.items_of(response)
    spoken = {link_id for finding in found.findings for link_id in finding.questions}
    try:
        questions = response.questionnaire.definition().by_link_id
    except Exception:  # then nothing is known to be harmless
        questions = {}
    before: dict[str, dict[str, date]] = {}
    for other in earlier:
        try:
            others = finished.items_of(other)
        except sealing.SealBroken:
            continue
        for item in others:
            before.setdefault(item["link_id"], {}).setdefault(answer_words(item), finished.answered_day(other))
    lines = []
    for item in items:
        question = questions.get(item["link_id"])
        words = answer_words(item)
        chosen = item["value"] if isinstance(item["value"], list) else [item["value"]]
        harmless = question is not None and bool(question.choices) and set(chosen) <= set(question.no_finding)
        lines.append(
            Line(
                item["link_id"],
                item["section"],
                item["text"],
                item["hint"],
                words,
                bool(item.get("parent")),
                item["kind"] == "text",
                first=item["link_id"] in spoken or not (harmless or item["kind"] in ("day", "date", "number")),
                earlier=[(day, other) for other, day in before.get(item["link_id"], {}).items() if other != words],
            )
        )
    # a follow-up stays with its question
    marked = {line.link_id for line in lines if line.first}
    parents = {item["link_id"]: item.get("parent", "") for item in items}
    for line in lines:
        if parents[line.link_id] in marked:
            line.first = True
            marked.add(line.link_id)
    return lines


def changed(lines: Iterable[Line]) -> list[Line]:
    """What was answered differently before; first what has become harmless since (H10)."""
    return sorted((line for line in lines if line.earlier), key=lambda line: line.first)


def findings_of(found: rules.Assessment, lines: list[Line]) -> list[Read]:
    """The findings worst first, each with the answers it is about and what it takes."""
    by_link_id = {line.link_id: line for line in lines}
    return [
        Read(
            finding=finding,
            heading=capfirst(finding.title) or finding.rule,
            status=status_of(finding.effect),
            word=_("Note") if finding.is_note else str(capfirst(Effect(finding.effect).label)),
            answers=[by_link_id[link_id] for link_id in finding.questions if link_id in by_link_id],
            needs=[str(NEED_WORDS.get(need, need)) for need in finding.needs],
            override=str(OVERRIDE_WORDS.get(finding.override or "", "")),
            to_address=finding.effect in finished.TO_ADDRESS,
        )
        for finding in found.findings
    ]


def by_section(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    """Lines under the headings they stood under."""
    sections: dict[str, list[Line]] = {}
    for line in lines:
        sections.setdefault(line.section, []).append(line)
    return list(sections.items())


@dataclass
class Decided:
    """An earlier decision, with its words where they can be read."""

    review: Review
    words: dict
    reply: str


def decisions_about(patient_id: int | None) -> list[Decided]:
    """What clinicians decided about a patient, newest first."""
    if patient_id is None:
        return []
    found = (
        Review.objects.filter(patient_id=patient_id)
        .select_related("decided_by", "treatment", "area", "response__data_key", "reply")
        .order_by("-id")
    )
    return [Decided(review, _words(review), _reply(review)) for review in found]


@dataclass
class Rechecked:
    """What a short re-check at the chair found, and all that was said there and is not plainly harmless."""

    response: QuestionnaireResponse
    findings: list[Read]
    lines: list[Line]
    readable: bool


def rechecks_to_read(
    request: ReviewRequest,
    earlier: Iterable[QuestionnaireResponse],
    decisions: Iterable[Decided],
    *,
    now: datetime,
) -> list[Rechecked]:
    """The re-checks that ended a clearance, newest first, as long as nobody has said yes since to what is requested.

    The full form asks about no new medicine, no fever of that day, no problem after a session.

    earlier: see `earlier_responses`. decisions: all about the patient. One whose answers cannot be read is among them.
    """
    seen = [
        item.review.response.completed_at
        for item in decisions
        if item.review.outcome in Review.CLEARING
        and (item.review.treatment_id, item.review.area_id) == (request.treatment_id, request.area_id)
        and item.review.response.status in finished.FINISHED
    ]
    found = []
    for other in earlier:
        is_recheck = other.questionnaire.purpose == Questionnaire.Purpose.RECHECK
        if not (is_recheck and other.reopens and other.status in finished.FINISHED):
            continue
        if any(answered and other.completed_at and answered > other.completed_at for answered in seen):
            continue
        said = finished.says(other, finished.answered_day(other), now=now)
        try:
            lines = lines_of(other, said)
        except sealing.SealBroken:
            found.append(Rechecked(other, [], [], False))
            continue
        first = [line for line in lines if line.first]
        findings = [item for item in findings_of(said, lines) if item.to_address]
        found.append(Rechecked(other, findings, first, True))
    return found


def refusals(decisions: Iterable[Decided], today: date) -> list[Decided]:
    """Of decisions newest first: the latest on each treatment and area that says no, not yet, or talk first."""
    latest: dict[tuple[int, int], Decided] = {}
    for item in decisions:
        latest.setdefault((item.review.treatment_id, item.review.area_id), item)
    return [
        item
        for item in latest.values()
        if item.review.outcome in Review.REFUSING
        and not (item.review.deferred_until and item.review.deferred_until <= today)
    ]


@dataclass
class Accepted:
    """A decision that cleared although the rules had something to say, with the reason for each finding."""

    review: Review
    reasons: dict[str, str]
    readable: bool


def accepted_between(first: date, end: date) -> list[Accepted]:
    """The decisions of some days that look past findings, newest first, `end` not included (CLINICAL 2.6, H07).

    first, end: days on the site's own clock. One query, however many. A decision whose words cannot be read is among
    them, and says so.
    """
    since, until = (timezone.make_aware(datetime.combine(day, time())) for day in (first, end))
    found = Review.objects.filter(
        outcome__in=Review.CLEARING, decided_at__gte=since, decided_at__lt=until, assessment__to_address_count__gt=0
    ).select_related("decided_by", "patient", "treatment", "area", "assessment", "response__data_key")
    rows = []
    for review in found.order_by("-decided_at", "-id"):
        words = _words(review)
        rows.append(Accepted(review, dict(words.get("reasons", {})), bool(words)))
    return rows


def _words(review: Review) -> dict:
    try:
        return sealing.words_of(review)
    except sealing.SealBroken:
        return {}


def _reply(review: Review) -> str:
    if not hasattr(review, "reply"):
        return ""
    try:
        return reviews.reply_of(review)
    except sealing.SealBroken:
        return _("The patient replied; the words cannot be read.")


def how_long(since: datetime, now: datetime) -> str:
    """How long somebody has waited, in the largest unit: "2 days", "5 hours", "10 minutes"."""
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes >= 2 * 24 * 60:
        return ngettext("%d day", "%d days", minutes // (24 * 60)) % (minutes // (24 * 60))
    if minutes >= 60:
        return ngettext("%d hour", "%d hours", minutes // 60) % (minutes // 60)
    return ngettext("%d minute", "%d minutes", minutes) % minutes


def days_left(day: date | None, today: date) -> str:
    """How far away a day is: "today", "tomorrow", "in 9 days"."""
    if day is None:
        return ""
    days = (day - today).days
    if days < 0:
        return _("past")
    if days == 0:
        return _("today")
    return _("tomorrow") if days == 1 else ngettext("in %d day", "in %d days", days) % days


def moment(when: datetime, place: Location | None, pattern: str) -> str:
    """An instant as the clocks of a place say it, with the zone's name where the reader's clock says something else.

    place: None where it is not known; then the reader's own zone. pattern: of `django.utils.formats.date_format`.
    """
    here = timezone.localtime(when)
    if place is None:
        return formats.date_format(here, pattern)
    there = when.astimezone(place.zone)
    words = formats.date_format(there, pattern)
    if there.utcoffset() == here.utcoffset():
        return words
    city = place.zone.key.rsplit("/", 1)[-1].replace("_", " ")
    return _("%(when)s, %(city)s time") % {"when": words, "city": city}


def long_day(day: date) -> str:
    """A day with its weekday and the month's name."""
    return formats.date_format(day, "l j F Y")
