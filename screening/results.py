"""What a patient is told about their own answers: which kind sentence, which reasons, which next step.

Nothing here decides. The rules have spoken (`screening.assessment`), a clinician decides (`screening.reviews`); this
chooses the words' order and leaves out what is never named back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext

from clinic.models import Clinic, Treatment
from screening import finished, questionnaires
from screening.answers import questions_asked
from screening.assessment import Assessment, Finding
from screening.models import Questionnaire, QuestionnaireResponse, Review, Rule
from screening.steps import steps_of

# The answer about worry over appearance is never named back (LOOK): its reasons may invite to a talk, but no link
# leads to a paragraph that says why.
NEVER_NAMED = "appearance-distress"
# Findings about the questionnaire, not about the patient: the page says so once, at its head.
OUR_FAULT = (questionnaires.CHECK_BROKEN, questionnaires.CHECK_NO_RULES)


@dataclass(frozen=True)
class Reason:
    """One reason, in the patient's words. `until` is the first day on which it no longer stands in the way."""

    title: str
    reason: str
    advice: str
    until: date | None = None
    ask_again_from: date | None = None
    article: str = ""
    paragraph: str = ""
    stops: bool = False  # this alone stands in the way; otherwise a clinician was to look at it


@dataclass(frozen=True)
class Result:
    """What the result page says. `kind` is one of

    again       these answers no longer count: too old, or the questions have changed
    fault       we could not check the answers; the fault is ours
    not-now     not right at the moment
    wait        a wait whose end has no date, or lies beyond what can be booked (then `earliest` is that day)
    from        a wait with a date: times can be asked for from `earliest`
    talk        a talk with a clinician comes first
    look        a clinician looks at the answers; a time can be asked for
    advice      as `look`, with advice to read
    nothing     nothing found so far; a clinician still has to confirm
    """

    kind: str
    reasons: list[Reason]
    earliest: date | None
    treatment: Treatment | None
    talk: Treatment | None

    @property
    def may_choose_a_time(self) -> bool:
        return self.kind in ("from", "look", "advice", "nothing")


def talk() -> Treatment | None:
    """The consultation that patients can book, if the clinic offers one."""
    return Treatment.objects.offered().filter(kind=Treatment.Kind.CONSULTATION).first()


def decisions_on(response: QuestionnaireResponse, *, today: date) -> tuple[list[Review], list[Review]]:
    """The latest decisions on these answers, newest first: (those that say no, or not yet, or ask; the others).

    One a treatment and area. Where the answers wait for a clinician again, or a wait is over by the local day `today`,
    the decision no longer speaks for itself and is with the others. A wait with a day goes on until then: what waits
    again is a visit after it.
    """
    waiting = set(response.requests.waiting().values_list("treatment_id", "area_id"))
    noes: list[Review] = []
    others: list[Review] = []
    for review in response.reviews.latest_each().select_related("treatment", "area"):
        waits = (review.treatment_id, review.area_id) in waiting
        over = review.deferred_until is not None and review.deferred_until <= today
        goes_on = review.deferred_until is not None and not over
        says_no = review.outcome not in Review.CLEARING and not over and (goes_on or not waits)
        (noes if says_no else others).append(review)
    return noes, others


def result_of(response: QuestionnaireResponse, *, today: date, now: datetime) -> Result:
    """What finished answers mean on the local day `today`. Stores nothing; whatever goes wrong is a "fault".

    The day asked about is today: the days that can be booked come later, and a wait that ends before them stands in
    nobody's way.
    """
    treatment = response.treatment if response.treatment and response.treatment.is_active else None
    clinic = Clinic.get()
    if today > finished.last_day(response, clinic) or finished.out_of_date(response.questionnaire):
        return Result("again", [], None, treatment, talk())
    found = finished.says(response, today, now=now)
    earliest = found.earliest
    if found.effect == "contraindicated":
        kind = "fault" if any(finding.rule in OUR_FAULT for finding in found.findings) else "not-now"
    elif found.effect == "defer":
        earliest = finished.first_open_day(response, found, now=now)
        kind = "from" if earliest else "wait"
        earliest = earliest or found.earliest
    elif found.effect in ("review", "advise", "none"):
        kind = {"review": "look", "advise": "advice", "none": "nothing"}[found.effect]
    else:
        kind = "fault"
    if kind == "look" and finished.needs_consultation(found, clinic) and not _was_seen(response, today, now=now):
        kind = "talk"
    return Result(kind, list(dict.fromkeys(_reasons(found))), earliest, treatment, talk())


def _was_seen(response: QuestionnaireResponse, today: date, *, now: datetime) -> bool:
    """Whether a consultation that took place still counts."""
    until = finished.consultation_counts_until(response.patient_id, now=now) if response.patient_id else None
    return until is not None and until >= today


def _longest_first(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings, worst first as they are; of one effect first what has no end, then what ends last: the page's date."""
    for _effect, equals in groupby(findings, key=lambda finding: finding.effect):
        yield from sorted(equals, key=lambda finding: finding.until or date.max, reverse=True)


def _reasons(found: Assessment) -> Iterator[Reason]:
    for finding in _longest_first(found.findings):
        if finding.is_note or not finding.reason or finding.rule in OUR_FAULT:
            continue
        article, _hash, paragraph = finding.anchor.partition("#")
        named = not any(link_id.startswith(NEVER_NAMED) for link_id in finding.questions)
        yield Reason(
            title=capfirst(_translated(finding.title)),
            reason=_translated(finding.reason),
            advice=_translated(finding.advice),
            until=finding.until,
            ask_again_from=finding.ask_again_from,
            article=article if named else "",
            paragraph=paragraph if named else "",
            stops=finding.effect in questionnaires.BLOCKING,
        )


def headings_needed_on(slug: str) -> set[str]:
    """The ids of headings of that education page which findings of the active questionnaires lead to. One query."""
    leading = Rule.objects.filter(questionnaire__in=Questionnaire.objects.active(), anchor__startswith=f"{slug}#")
    return {anchor.partition("#")[2] for anchor in leading.values_list("anchor", flat=True)} - {""}


def _translated(text: str) -> str:
    return gettext(text) if text else ""  # gettext("") is the catalogue's header


def waits_by_step(definition: questionnaires.Questionnaire) -> dict[str, list[questionnaires.Rule]]:
    """The public rules that mean waiting or another choice, under the title of the step that asks about them; each
    title once. A rule belongs to the question that its paragraph is named after."""
    titles = {section.code: section.title for section in definition.sections}
    groups: dict[str, list[questionnaires.Rule]] = {title: [] for title in titles.values()}
    seen: set[str] = set()
    for rule in definition.public_rules():
        if rule.effect in questionnaires.BLOCKING and rule.title and rule.title not in seen:
            seen.add(rule.title)
            question = definition.by_link_id.get(rule.anchor.partition("#")[2])
            groups.setdefault(titles.get(question.section, "") if question else "", []).append(rule)
    return {title: group for title, group in groups.items() if group}


def answers_by_step(definition: questionnaires.Questionnaire, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All that was asked with what was answered, by step, for "check your answers"; a gap shows as a gap."""
    given = {item["link_id"]: item for item in items}
    asked = set(questions_asked(definition, {link_id: item["value"] for link_id, item in given.items()}))
    pages = []
    for step in steps_of(definition):
        rows = [
            {
                "text": question.text,
                "link_id": question.link_id,
                "item": given.get(question.link_id),
                "is_follow_up": question.is_follow_up,
                "anchor": _first_box(question),
            }
            for question in step.questions
            if question.link_id in asked
        ]
        pages.append({"step": step, "rows": rows})
    return pages


def _first_box(question: questionnaires.Question) -> str:
    """The id of the first box of a question on its step, where a link lands."""
    if question.kind in ("choice", "choices"):
        return f"id_{question.link_id}_0"
    return f"id_{question.link_id}_day" if question.kind in ("day", "date") else f"id_{question.link_id}"
