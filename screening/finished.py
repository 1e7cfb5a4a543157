"""What was answered, what the rules say of it, and for how long it counts. Stores assessments and nothing else."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from clinic.models import Clinic, Treatment, today_at
from clinic.registry import Seen, consultations_of
from screening import assessment as rules
from screening.models import Assessment, Questionnaire, QuestionnaireResponse
from screening.questionnaires import AREAS, BIRTH_DATE, plus
from screening.sealing import seal, unseal

log = logging.getLogger(__name__)
FINISHED = (QuestionnaireResponse.Status.COMPLETED, QuestionnaireResponse.Status.AMENDED)
AWAY_AFTER = timedelta(minutes=15)
# Effects that a clinician has to address one by one.
TO_ADDRESS = ("review", "defer", "contraindicated")
# Needs of a finding that only seeing the patient meets, and how long a consultation counts (DESIGN section 5).
IN_PERSON = ("consultation-first", "face-to-face")
CONSULTATION_COUNTS = {"months": 6}


class NotFinished(ValueError):
    """These answers are unfinished, or were marked as entered in error."""


# ---------------------------------------------------------------- which answers count


def finished_responses(patient_ids: Iterable[int]):
    """Finished answers that take the place of earlier ones, newest first."""
    return QuestionnaireResponse.objects.filter(patient_id__in=patient_ids, status__in=FINISHED, reopens=True).order_by(
        "-completed_at", "-id"
    )


def questionnaire_for(treatment: Treatment) -> Questionnaire | None:
    """The active full questionnaire that screens for a treatment, or None: then it cannot be asked for."""
    active = Questionnaire.objects.active().filter(purpose=Questionnaire.Purpose.SCREENING)
    return active.filter(Q(treatments=treatment) | Q(treatments=None)).order_by("-published_at").first()


def _ask_again(name, version):
    """The newer versions of a questionnaire because of which everybody answers again."""
    published = Questionnaire.objects.exclude(status=Questionnaire.Status.DRAFT)
    return published.filter(rescreen=True, name=name, version__gt=version)


def screens_for(questionnaire: Questionnaire, treatment_id: int) -> bool:
    """Whether a questionnaire is asked for a treatment: for every one, unless the version names some."""
    screened = set(questionnaire.treatments.values_list("pk", flat=True))
    return not screened or treatment_id in screened


def out_of_date(questionnaire: Questionnaire) -> bool:
    """Whether a newer version asks everybody to answer again."""
    return _ask_again(questionnaire.name, questionnaire.version).exists()


def still_stands(response: str = "") -> dict[str, Exists]:
    """What says that answers no longer count, to annotate a query with: `outdated`, a newer version asks everybody
    again; `replaced`, the patient has given newer answers. response: the path to the response, such as "response__"."""
    later = Q(completed_at__gt=OuterRef(f"{response}completed_at")) | Q(
        completed_at=OuterRef(f"{response}completed_at"), pk__gt=OuterRef(f"{response}pk")
    )
    newer = QuestionnaireResponse.objects.filter(
        later, patient=OuterRef(f"{response}patient"), status__in=FINISHED, reopens=True
    )
    of_it = f"{response}questionnaire__"
    return {
        "outdated": Exists(_ask_again(OuterRef(f"{of_it}name"), OuterRef(f"{of_it}version"))),
        "replaced": Exists(newer),
    }


def answered_day(response: QuestionnaireResponse) -> date:
    """The local day on which finished answers were given. Raises NotFinished for others."""
    if response.answered_on is None:
        raise NotFinished
    return response.answered_on


def last_day(response: QuestionnaireResponse, clinic: Clinic | None) -> date:
    """The last treatment day that answers count for: the clinic's policy, 90 days after answering at most."""
    return answered_day(response) + timedelta(days=min(clinic.screening_valid_days, 90) if clinic else 90)


def is_too_old(response: QuestionnaireResponse, clinic: Clinic | None, *, now: datetime) -> bool:
    """Whether the days these answers count are over wherever we are open. The places are asked only about the last."""
    last = last_day(response, clinic)
    return now.astimezone(UTC).date() >= last and today_at(now) > last  # no place is more than a day ahead of UTC


# ---------------------------------------------------------------- what was answered


def answers_of(response: QuestionnaireResponse) -> dict[str, Any]:
    """The answers by link_id, ready for `assess`; a question that was not answered is not in it.

    Raises SealBroken when the document cannot be read.
    """
    return {item["link_id"]: item["value"] for item in items_of(response)}


def items_of(response: QuestionnaireResponse) -> list[dict[str, Any]]:
    """The snapshots, in the order of the questionnaire.

    Each has link_id, parent (link_id or ""), section (the title shown), text, hint, kind, value, labels (those chosen),
    unit, questionnaire (its name), version and language. Raises SealBroken when the document cannot be read.
    """
    return document_of(response)["items"]


def document_of(response: QuestionnaireResponse) -> dict[str, Any]:
    """All that is sealed: `items`, and from sending on `declaration`. Raises SealBroken when it cannot be read."""
    return unseal(response, "answers", response.document)


def answered_areas(response: QuestionnaireResponse) -> list[str]:
    """The codes of the areas these answers are about."""
    areas = answers_of(response).get(AREAS)
    return [code for code in areas if isinstance(code, str)] if isinstance(areas, list) else []


def answered_birth_date(response: QuestionnaireResponse) -> date | None:
    """The birth date in the answers, or None where it cannot be read."""
    return day_of(answers_of(response).get(BIRTH_DATE))


def day_of(value: Any) -> date | None:
    """The day that an answer names; None where it is none."""
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def is_away(response: QuestionnaireResponse, *, now: datetime) -> bool:
    """Whether the birth date has to be asked again before anything is shown: 15 minutes without work on it."""
    return now - max(response.seen_at, response.data_key.opened_at or response.seen_at) > AWAY_AFTER


# ---------------------------------------------------------------- what the rules say of it


def assess_on(response: QuestionnaireResponse, *, on: date, now: datetime, record: bool = True) -> rules.Assessment:
    """What the rules say about these answers for a treatment on the local day `on`.

    The birth date of the patient, where known, is reckoned with as well. Fails closed: whatever goes wrong, the effect
    is "incomplete", which blocks. Of finished answers it also stores the `Assessment`, once for each day; an outcome
    that came from an error is not stored, so that it can be asked again. Never raises for what is in the answers.
    """
    answered_on = response.answered_on or timezone.localdate(now)
    try:
        found = rules.assess(
            response.questionnaire.definition(),
            answers_of(response),
            on=on,
            answered_on=answered_on,
            known_birth_date=response.patient.birth_date if response.patient else None,
        )
    except Exception as error:  # fail closed; the message could hold an answer, so it is not logged
        log.error("Answers %s could not be assessed (%s); this blocks.", response.uuid, type(error).__name__)
        return rules.Assessment(rules.INCOMPLETE, None, (), (), on, answered_on)
    if record and response.status in FINISHED:
        _record(response, found, now=now)
    return found


def _record(response: QuestionnaireResponse, found: rules.Assessment, *, now: datetime) -> None:
    if Assessment.objects.filter(response=response, on=found.on).exists():
        return
    row = Assessment(
        response=response,
        on=found.on,
        effect=found.effect,
        override=found.override,
        findings_count=sum(not finding.is_note for finding in found.findings),
        to_address_count=sum(finding.effect in TO_ADDRESS for finding in found.findings),
        earliest=found.earliest,
        findings=seal(response, _findings_purpose(found.on), [_plain(finding) for finding in found.findings]),
        created_at=now,
    )
    # Two readers at once: the second one's row is the same, and stays out.
    Assessment.objects.bulk_create([row], ignore_conflicts=True)


def stored_findings(assessment: Assessment) -> tuple[rules.Finding, ...]:
    """The findings of a stored assessment, worst first. Raises SealBroken when they cannot be read."""
    stored = unseal(assessment.response, _findings_purpose(assessment.on), assessment.findings)
    known = {field.name for field in fields(rules.Finding)}
    return tuple(_finding({key: value for key, value in finding.items() if key in known}) for finding in stored)


def _findings_purpose(on: date) -> str:
    return f"findings:{on.isoformat()}"


def _finding(stored: dict[str, Any]) -> rules.Finding:
    for name in ("until", "ask_again_from"):
        stored[name] = day_of(stored.get(name))
    for name in ("questions", "needs", "missing", "details"):
        stored[name] = tuple(stored.get(name) or ())
    return rules.Finding(**stored)


def _plain(finding: rules.Finding) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in asdict(finding).items()}


def day_to_assess(response: QuestionnaireResponse, needed_on: date | None, *, now: datetime) -> date:
    """The local day that the rules are asked for: that of the visit, or today where there is none."""
    return max(needed_on or today_at(now), answered_day(response))


def says(response: QuestionnaireResponse, on: date, *, now: datetime) -> rules.Assessment:
    """What the rules say about these answers on a day. Stores nothing; any error is "incomplete", which blocks."""
    try:
        return assess_on(response, on=on, now=now, record=False)
    except Exception:  # fail closed, and say nothing about the person in the log
        log.exception("The rules could not be asked; this blocks.")
        return rules.Assessment(rules.INCOMPLETE, None, (), (), on, response.answered_on or on)


def first_open_day(response: QuestionnaireResponse, found: rules.Assessment, *, now: datetime) -> date | None:
    """The first day, from the one that `found` is about, on which no wait stands in the way.

    None where it is after what can be booked everywhere, or after the days these answers count. The rules are asked
    again for each day that a wait ends, for another one may begin to speak.
    """
    if not found.blocks:
        return found.on
    clinic = Clinic.get()
    horizon = today_at(now) + timedelta(days=clinic.horizon_days if clinic else 90)
    last = min(horizon, last_day(response, clinic))
    for _attempt in range(10):
        if found.earliest is None or not found.on < found.earliest <= last:
            return None
        found = says(response, found.earliest, now=now)
        if not found.blocks:
            return found.on
    return None


def unaddressed(assessment: rules.Assessment, reasons: dict[str, str]) -> list[rules.Finding]:
    """The findings of effect review or worse that nobody has addressed in words; O0 cannot be addressed."""
    return [
        finding
        for finding in assessment.findings
        if finding.effect in TO_ADDRESS and (finding.override == "O0" or not str(reasons.get(finding.rule, "")).strip())
    ]


def has_waits(assessment: rules.Assessment) -> bool:
    """Whether a finding is a wait, with a date or without: accepted for one day, one is accepted for no earlier day."""
    return any(finding.effect == "defer" or finding.until for finding in assessment.findings)


def needs_consultation(assessment: rules.Assessment, clinic: Clinic | None) -> bool:
    """Whether these findings may be cleared only for somebody who was seen in a consultation; the clinic's policy."""
    if clinic is not None and clinic.consultation_first == Clinic.ConsultationFirst.NEVER:
        return False
    return any(need in IN_PERSON for finding in unaddressed(assessment, {}) for need in finding.needs)


def consultation_counts_until(patient_id: int, *, now: datetime) -> date | None:
    """The last local day that the patient's last fulfilled consultation counts for; None: there was none."""
    return counts_until(consultations_of([patient_id]).get(patient_id, []), now)


def counts_until(consultations: list[Seen], moment: datetime) -> date | None:
    """The last local day that the last of them that had begun by then counts for: six calendar months; None: none."""
    days = [day for began, day in consultations if began <= moment]
    return plus(max(days), CONSULTATION_COUNTS) if days else None
