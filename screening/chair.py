"""At the chair: what the clinician asks of whoever treats, and the short re-check with the patient present."""

import logging
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic.models import Patient, User
from clinic.registry import patients_treated_by
from screening import assessment as rules
from screening import finished, responses, sealing
from screening.adopting import lock_patient
from screening.forms import StepForm
from screening.models import Effect, Questionnaire, QuestionnaireResponse, Review
from screening.questionnaires import AFTER_LAST_SESSION, NOT_SURE_CODES
from screening.reviews import Refused, may_decide
from screening.steps import steps_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conditions:
    """What a clinician wrote for whoever treats, with who decided and which answers it stands on."""

    words: str
    readable: bool
    decided_by: str
    decided_at: datetime
    response_uuid: uuid.UUID


def conditions_of(review_id: int | None, *, patient: Patient, by: User, now: datetime) -> Conditions | None:
    """The conditions of the decision that a visit of this patient stands on; None where it stands on none.

    Only for who may read every answer, or treats this patient about now (DESIGN section 1); others get
    PermissionDenied. `readable` is False where the sealed words cannot be opened: then nobody knows the conditions.
    """
    _must_treat(by, patient, now)
    if review_id is None:
        return None
    found = Review.objects.filter(pk=review_id, patient=patient, outcome__in=Review.CLEARING)
    review = found.select_related("response__data_key", "decided_by").first()
    if review is None:
        return None
    try:
        words, readable = str(sealing.words_of(review).get("conditions", "")), True
    except sealing.SealBroken:
        log.exception("The conditions of a review could not be read.")
        words, readable = "", False
    return Conditions(words, readable, str(review.decided_by), review.decided_at, review.response.uuid)


def _must_treat(by: User, patient: Patient, now: datetime) -> None:
    may = by.has_perm("screening.view_answers") or (
        by.has_perm("screening.view_own_patients_answers") and patient.pk in patients_treated_by(by, now)
    )
    if not may:
        raise PermissionDenied


# ---------------------------------------------------------------- the short re-check


def recheck_questionnaire() -> Questionnaire | None:
    """The active short questionnaire asked before each session, or None: then nobody can be checked in."""
    return (
        Questionnaire.objects.active().filter(purpose=Questionnaire.Purpose.RECHECK).order_by("-published_at").first()
    )


def recheck_steps(data=None, *, today: date) -> list | None:
    """The forms of the short re-check, one a step, empty or bound to what was posted; None where none is published.

    today: the local day of the visit. Each has `tree()` for the template and `answers()` once it is valid.
    """
    questionnaire = recheck_questionnaire()
    if questionnaire is None:
        return None
    asked = steps_of(questionnaire.definition())
    return [StepForm(data, step=step, answers={}, today=today) for step in asked]


def recheck(
    patient: Patient, answers: dict[str, Any], *, visit: uuid.UUID, by: User, today: date, now: datetime
) -> bool:
    """Stores the short re-check (`record_recheck`). True when nothing speaks against treating today.

    False: a clinician has to look first; the patient's booked visits are back to pending already. Raises
    ValidationError (a dict by link_id where answers are missing), and then nothing is stored.
    """
    record_recheck(patient, answers, visit=visit, by=by, today=today, now=now)
    return rechecked(patient, visit=visit, on=today, since=now)


def record_recheck(
    patient: Patient, answers: dict[str, Any], *, visit: uuid.UUID, by: User, today: date, now: datetime
) -> rules.Assessment:
    """Stores the short re-check that a practitioner asks with the patient present, and says what the rules make of it.

    answers: values by link_id of the active re-check; visit, today: the uuid of the visit and its local day. Raises
    Refused (a dict by link_id where answers are missing) and then stores nothing. Consequences: one completed response
    for that visit, assisted by `by`, and its assessment. Anything new above advice takes the place of the earlier
    answers: clearance_changed("superseded") is sent, booked visits go back to asked for, and the patient has to answer
    in full again (CLINICAL 2.4, 2.5). What a clinician has read and accepted in words, and is told again unchanged, is
    not new: see `_accepted`.
    """
    if not (by.has_perm("screening.view_own_patients_answers") or may_decide(by)):
        raise Refused(_("Only a practitioner or a clinician records the re-check."))
    questionnaire = recheck_questionnaire()
    if questionnaire is None:
        raise Refused(_("No re-check is published. Please tell the lead clinician; nobody can be treated without it."))
    try:
        with transaction.atomic():
            lock_patient(patient.pk)
            before = finished.finished_responses([patient.pk]).first()
            response = responses.start(
                questionnaire=questionnaire,
                treatment=None,
                privacy_version=before.privacy_version if before else "",
                now=now,
                patient=patient,
                assisted_by=by,
                visit_uuid=visit,
            )
            responses.save_answers(response, answers, now=now)
            # asked before it is finished: afterwards nothing about it can change
            response.answered_on = today
            found = finished.assess_on(response, on=today, now=now, record=False)
            reopens = found.effect not in (Effect.NONE, Effect.ADVISE) and not _accepted(
                found, answers, asked=questionnaire.definition(), before=before, today=today
            )
            response = responses.complete(response, today=today, now=now, reopens=reopens)
            finished.assess_on(response, on=today, now=now)
    except responses.Incomplete as error:
        raise Refused({link_id: _("Please answer this.") for link_id in error.link_ids}) from error
    except responses.TooYoung as error:
        raise Refused(_("This patient is under 18.")) from error
    except (ValueError, responses.AlreadySent, responses.QuestionsChanged, sealing.SealBroken) as error:
        raise Refused(_("The re-check could not be stored. Please ask the questions again.")) from error
    return found


def _accepted(
    found: rules.Assessment,
    answers: dict[str, Any],
    *,
    asked: rules.Questionnaire,
    before: QuestionnaireResponse | None,
    today: date,
) -> bool:
    """Whether a clinician has accepted every finding of a re-check already, on the very same answers.

    Cold sores in the past stay in the past: were they news at every session, whoever had them could never be treated,
    and somebody would learn to say "never". Only for O1 findings of effect review, where each decision that clears has
    words for that rule, no answer is "not sure", and nothing about it is said differently. Whatever is in doubt is new.

    A problem after the last session is asked about here only. It is no news where the re-check right before the full
    form said the very same in the same words, and each clinician who said yes since had it at the top of the page.
    """
    if found.incomplete or before is None or before.questionnaire.purpose != Questionnaire.Purpose.SCREENING:
        return False
    try:
        yeses = before.reviews.latest_each().filter(outcome__in=Review.CLEARING).select_related("response__data_key")
        reasons = [sealing.words_of(review)["reasons"] for review in yeses]
        full, then = before.questionnaire.definition(), finished.answers_of(before)
        read = _said_before(before, today=today)

        def is_as_in_the_form(question: rules.Question) -> bool:
            now_said = answers.get(question.link_id)
            if now_said in (None, "", []) and not question.required:
                return True  # may be left empty, and was
            was_asked = question.link_id in full.by_link_id
            return was_asked and now_said not in NOT_SURE_CODES and now_said == then.get(question.link_id)

        def is_as_at_the_last_recheck(question: rules.Question) -> bool:
            now_said = answers.get(question.link_id)
            return now_said not in NOT_SURE_CODES and now_said == read.get(question.link_id)

        def is_no_news(finding: rules.Finding) -> bool:
            family = [q for q in asked.questions if asked.item_of(q.link_id) in finding.questions]
            if not family or (finding.effect, finding.override, finding.missing) != (Effect.REVIEW, "O1", ()):
                return False
            if finding.questions == (AFTER_LAST_SESSION,):
                return all(is_as_at_the_last_recheck(question) for question in family)
            in_words = all(str(words.get(finding.rule, "")).strip() for words in reasons)
            return in_words and all(is_as_in_the_form(question) for question in family)

        to_address = [finding for finding in found.findings if finding.effect in finished.TO_ADDRESS]
        return bool(reasons) and all(is_no_news(finding) for finding in to_address)
    except Exception:  # fail closed, and say nothing about the person in the log
        log.exception("What was accepted before could not be read; everything is new.")
        return False


def _said_before(before: QuestionnaireResponse, *, today: date) -> dict[str, Any]:
    """The answers of the re-check right before these full ones, which ended what was cleared: they stood on the page of
    whoever said yes since (`reading.rechecks_to_read`).

    Empty where something else came before, withdrawn or not, and where a session may have come between: nobody is
    treated without a quiet re-check of that day. Raises SealBroken.
    """
    ended = QuestionnaireResponse.objects.filter(
        patient=before.patient_id, reopens=True, completed_at__isnull=False
    ).exclude(pk=before.pk)
    response = ended.select_related("questionnaire", "data_key").order_by("-completed_at", "-id").first()
    if response is None or response.status not in finished.FINISHED:
        return {}
    if response.questionnaire.purpose != Questionnaire.Purpose.RECHECK:
        return {}
    quiet = QuestionnaireResponse.objects.filter(
        patient=before.patient_id,
        questionnaire__purpose=Questionnaire.Purpose.RECHECK,
        reopens=False,
        completed_at__gte=response.completed_at,
        answered_on__lt=today,
    )  # withdrawn ones too: the session after it was, whatever became of its answers
    return {} if quiet.exists() else finished.answers_of(response)


def rechecked(patient: Patient, *, visit: uuid.UUID, on: date, since: datetime) -> bool:
    """Whether the last short re-check before this visit found nothing that a clinician has to look at.

    on: its local day. since: the moment from which it counts. Answers for one visit are not taken for another's of the
    same day: they say "this area", and each is another one.
    """
    last = _rechecks(patient, on).filter(visit_uuid=visit).first()
    return last is not None and last.completed_at >= since and not last.reopens


def said_of_last_session(patient: Patient, *, on: date, by: User, now: datetime) -> list[str]:
    """What the last short re-check of that local day holds about problems after the last session, as it was answered;
    empty where it was not asked, or cannot be read. Only for whom `conditions_of` answers; others get PermissionDenied.
    """
    _must_treat(by, patient, now)
    last = _rechecks(patient, on).select_related("data_key").first()
    if last is None:
        return []
    try:
        items = finished.items_of(last)
    except sealing.SealBroken:
        log.exception("A re-check could not be read.")
        return []
    about = [item for item in items if AFTER_LAST_SESSION in (item["link_id"], item["parent"])]
    return [str(words) for item in about for words in item["labels"] or [item["value"]]]


def _rechecks(patient: Patient, on: date):
    """The finished re-checks of a local day, newest first."""
    return QuestionnaireResponse.objects.filter(
        patient=patient,
        questionnaire__purpose=Questionnaire.Purpose.RECHECK,
        status__in=finished.FINISHED,
        answered_on=on,
    ).order_by("-completed_at", "-id")
