"""What a patient answers: begun, saved, finished, forgotten. Every word of it is sealed.

A response holds snapshots, not references: the words that were shown, the labels that were chosen, the version of the
questionnaire (H04). Nothing has a default: what was not answered is not there. Unfinished answers live 24 hours on the
device that gave them and may be deleted; finished ones are kept as they are, and a correction is a new response.
"""

import logging
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import get_language

from clinic.ages import is_adult
from clinic.models import Patient, Treatment, User
from screening import adopting, finished, questionnaires
from screening import assessment as rules
from screening.answers import is_blank, questions_asked
from screening.models import DataKey, Questionnaire, QuestionnaireResponse
from screening.questionnaires import BIRTH_DATE
from screening.sealing import SealBroken, make_key, seal

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(hours=24)
WRONG_BIRTH_DATES = 3
IN_PROGRESS = QuestionnaireResponse.Status.IN_PROGRESS


class AlreadySent(Exception):
    """These answers are finished, or gone: nothing can be added to them."""


class Incomplete(Exception):
    """Answers are missing or cannot be read. `link_ids` says which, in the order of the questionnaire."""

    def __init__(self, link_ids: tuple[str, ...]) -> None:
        super().__init__(f"{len(link_ids)} answers are missing")
        self.link_ids = link_ids


class AnswersChanged(Exception):
    """The answers are no longer those that were declared to be true: another window changed them."""


class QuestionsChanged(Exception):
    """A newer version of the questions is in force: these unfinished answers belong to words no longer asked."""


class TooYoung(Exception):
    """Under 18 on the day of answering: nothing further is asked, nothing is kept."""


# ---------------------------------------------------------------- reading


def is_expired(response: QuestionnaireResponse, *, now: datetime) -> bool:
    """Whether unfinished answers are past their 24 hours."""
    return response.status == IN_PROGRESS and now >= kept_until(response)


def kept_until(response: QuestionnaireResponse) -> datetime:
    """When unfinished answers are forgotten (UTC)."""
    return response.started_at + KEPT_FOR


def is_too_young(birth_date: date | None, *, today: date) -> bool:
    """Whether somebody is known to be under 18 on the local day `today`."""
    return birth_date is not None and not is_adult(birth_date, today)


# ---------------------------------------------------------------- writing


@transaction.atomic
def start(
    *,
    questionnaire: Questionnaire,
    treatment: Treatment | None,
    privacy_version: str,
    now: datetime,
    patient: Patient | None = None,
    assisted_by: User | None = None,
    visit_uuid: uuid.UUID | None = None,
    after: QuestionnaireResponse | None = None,
) -> QuestionnaireResponse:
    """Begins a response: an empty sealed document and its key.

    privacy_version: which words about privacy were agreed to, at `now`. patient: whoever is signed in, if known.
    assisted_by: the member of staff who fills it in for somebody. visit_uuid: the visit before which a short re-check
    is asked. after: the anonymous answers that this device sent before; `complete` keeps the tie only where the birth
    date is the same. Raises IntegrityError unless the questionnaire is active
    (screening_response_questionnaire_active).
    """
    response = QuestionnaireResponse(
        questionnaire=questionnaire,
        treatment=treatment,
        patient=patient,
        assisted_by=assisted_by,
        visit_uuid=visit_uuid,
        supersedes=after,
        started_at=now,
        seen_at=now,
        agreed_at=now,
        privacy_version=privacy_version,
        document=b"",
    )
    response.save()
    make_key(response)
    response.document = seal(response, "answers", {"items": []})
    response.save(update_fields=["document"])
    return response


@transaction.atomic
def save_answers(
    response: QuestionnaireResponse,
    changes: Mapping[str, Any],
    *,
    now: datetime,
    seen: bool = True,
) -> dict[str, Any]:
    """Writes answers into an unfinished response and returns all it now holds.

    changes: values by link_id; None takes an answer away. Follow-ups whose parent no longer calls for them go too.
    seen: whether this counts as the patient being there (not while the birth date has to be asked again).
    Raises AlreadySent when it is finished or gone, ValueError for a question that does not exist, SealBroken.
    """
    stored = _locked(response)
    definition = response.questionnaire.definition()  # never another version's: the row's questionnaire never changes
    unknown = changes.keys() - definition.by_link_id.keys()
    if unknown:
        raise ValueError(f"No such question: {', '.join(sorted(unknown))}")
    document = finished.document_of(stored)
    answers = {item["link_id"]: item["value"] for item in document["items"]} | dict(changes)
    answers = {key: value for key, value in answers.items() if not is_blank(value)}
    answers = _only_asked(definition, answers)
    document["items"] = _snapshots(definition, answers)
    stored.document = seal(stored, "answers", document)
    stored.seen_at = now if seen else stored.seen_at
    stored.save(update_fields=["document", "seen_at"])
    response.document, response.seen_at = stored.document, stored.seen_at
    return answers


@transaction.atomic
def complete(
    response: QuestionnaireResponse,
    *,
    today: date,
    now: datetime,
    declaration: str = "",
    declared: Mapping[str, Any] | None = None,
    reopens: bool = True,
) -> QuestionnaireResponse:
    """Finishes a response: from now on it never changes. Again for a finished one changes nothing.

    today: the local day of answering; `answered_on`. declaration: the words the patient agreed to; sealed with `now`.
    declared: the answers it was made for, where somebody declared anything.
    reopens: whether it takes the place of the patient's earlier answers (a quiet re-check does not).
    It becomes `amended`, superseding the newest earlier one, when the patient is known and has answered before.
    Raises Incomplete (missing or unreadable answers), AnswersChanged, TooYoung, QuestionsChanged (a newer version is in
    force), AlreadySent (gone), SealBroken. Consequences: the patient's row is locked; clearance_changed is sent
    in this transaction: "answered" for a patient's first answers, "superseded" where earlier ones lose their place.
    """
    if response.patient_id is not None:
        adopting.lock_patient(response.patient_id)  # before the response's row, as everywhere
    stored = _stored(response)
    if stored.status in finished.FINISHED:
        return stored
    if stored.status != IN_PROGRESS:
        raise AlreadySent
    if stored.questionnaire.status != Questionnaire.Status.ACTIVE:
        raise QuestionsChanged
    document = finished.document_of(stored)
    answers = {item["link_id"]: item["value"] for item in document["items"]}
    if declared is not None and answers != dict(declared):
        raise AnswersChanged
    known = stored.patient.birth_date if stored.patient else None
    if any(is_too_young(birth, today=today) for birth in (finished.day_of(answers.get(BIRTH_DATE)), known)):
        raise TooYoung
    found = rules.assess(
        stored.questionnaire.definition(), answers, on=today, answered_on=today, known_birth_date=known
    )
    if found.incomplete:
        raise Incomplete(found.incomplete)
    if declaration:
        document["declaration"] = {"text": declaration, "at": now.isoformat()}
        stored.document = seal(stored, "answers", document)
    earlier = None
    attempt = _attempt_before(stored, finished.day_of(answers.get(BIRTH_DATE)))
    if stored.patient is not None and reopens:
        if attempt is not None and stored.patient.birth_date == finished.day_of(answers.get(BIRTH_DATE)):
            adopting.adopt_attempts(attempt, patient=stored.patient, now=now)
        earlier = finished.finished_responses([stored.patient.pk]).first()
    stored.status = QuestionnaireResponse.Status.AMENDED if earlier else QuestionnaireResponse.Status.COMPLETED
    stored.supersedes, stored.reopens = earlier or attempt, reopens
    stored.completed_at = stored.seen_at = now
    stored.answered_on = today
    stored.save(update_fields=["document", "status", "supersedes", "reopens", "completed_at", "seen_at", "answered_on"])
    adopting.answers_replaced(stored, now=now)
    return stored


@transaction.atomic
def forget(response: QuestionnaireResponse) -> bool:
    """Deletes an unfinished response with its key; False, and nothing, for a finished one or one already gone."""
    deleted, _by_model = QuestionnaireResponse.objects.filter(pk=response.pk, status=IN_PROGRESS).delete()
    return bool(deleted)


def forget_expired(*, now: datetime) -> int:
    """Deletes every unfinished response that is past its 24 hours, with its key. Returns how many."""
    expired = QuestionnaireResponse.objects.filter(status=IN_PROGRESS, started_at__lte=now - KEPT_FOR)
    return sum(forget(response) for response in expired.only("pk").iterator(chunk_size=200))


@transaction.atomic
def put_away(response: QuestionnaireResponse, *, now: datetime) -> None:
    """Saved and left: the birth date is asked at once when somebody comes back to this device."""
    seen = now - finished.AWAY_AFTER - timedelta(seconds=1)
    QuestionnaireResponse.objects.filter(pk=response.pk, status=IN_PROGRESS).update(seen_at=seen)
    DataKey.objects.filter(response=response).update(opened_at=None)


def prove_birth_date(response: QuestionnaireResponse, given: date, *, now: datetime) -> bool:
    """Whether `given` is the birth date in the answers; then they are shown again for 15 minutes.

    A wrong one is counted; the third wrong one deletes unfinished answers, and the caller takes finished ones off the
    device. Raises AlreadySent where too many wrong ones were given before, SealBroken when nothing can be compared.
    """
    right = finished.answered_birth_date(response)
    if right is None:
        raise SealBroken("There is no birth date to compare with.")
    with transaction.atomic():  # guesses sent at the same moment are counted one after the other
        QuestionnaireResponse.objects.select_for_update().filter(pk=response.pk).values("pk").first()
        mine = DataKey.objects.filter(response=response)
        wrong = mine.values_list("wrong_birth_dates", flat=True).first()
        if wrong is not None and wrong < WRONG_BIRTH_DATES:
            if given == right:
                mine.update(opened_at=now, wrong_birth_dates=0)
                return True
            mine.update(wrong_birth_dates=wrong + 1)
            if wrong + 1 < WRONG_BIRTH_DATES:
                return False
            forget(response)
    raise AlreadySent


# ---------------------------------------------------------------- inside


def _stored(response: QuestionnaireResponse) -> QuestionnaireResponse:
    """The row as it is now, locked until the end of the transaction. Raises AlreadySent when it is gone."""
    found = (
        QuestionnaireResponse.objects.select_for_update(of=("self",))
        .select_related("questionnaire", "data_key", "patient")
        .filter(pk=response.pk)
        .first()
    )
    if found is None:
        raise AlreadySent
    return found


def _attempt_before(stored: QuestionnaireResponse, birth_date: date | None) -> QuestionnaireResponse | None:
    """The anonymous answers this device sent before, if they name the same birth date: an earlier attempt (H10)."""
    found = stored.supersedes
    if found is None or birth_date is None or found.patient_id is not None or found.status not in finished.FINISHED:
        return None
    with suppress(SealBroken):
        if finished.answered_birth_date(found) == birth_date:
            return found
    return None


def _locked(response: QuestionnaireResponse) -> QuestionnaireResponse:
    stored = _stored(response)
    if stored.status != IN_PROGRESS:
        raise AlreadySent
    return stored


def _only_asked(definition: questionnaires.Questionnaire, answers: dict[str, Any]) -> dict[str, Any]:
    """Without the follow-ups that no answer calls for; taking one away can take away its own."""
    while True:
        asked = set(questions_asked(definition, answers))
        kept = {key: value for key, value in answers.items() if key in asked}
        if len(kept) == len(answers):
            return kept
        answers = kept


def _snapshots(definition: questionnaires.Questionnaire, answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    titles = {section.code: section.title for section in definition.sections}
    items = []
    for question in definition.questions:
        if question.link_id not in answers:
            continue
        value = answers[question.link_id]
        chosen = value if isinstance(value, list) else [value]
        items.append(
            {
                "link_id": question.link_id,
                "parent": question.parent,
                "section": titles.get(question.section, ""),
                "text": question.text,
                "hint": question.hint,
                "kind": question.kind,
                "value": value,
                "labels": [choice.label for choice in question.choices if choice.code in chosen],
                "unit": question.unit,
                "questionnaire": definition.name,
                "version": definition.version,
                "language": get_language() or "",
            }
        )
    return items
