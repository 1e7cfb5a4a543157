"""How a version of a questionnaire comes into force: one person proposes it, another publishes it (CLINICAL 2.6)."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.models import User, today_at
from screening import adopting
from screening.definition import DefinitionError
from screening.models import Questionnaire, Review, ReviewRequest
from screening.self_check import faults_of


class Refused(ValidationError):
    """It cannot be proposed or published, with a sentence that says why."""


def faults(questionnaire: Questionnaire) -> list[str]:
    """What stands in the way of using it, in words for the people who wrote it."""
    try:
        return list(faults_of(questionnaire.definition()))
    except DefinitionError as error:
        return list(error.errors)


def propose(questionnaire: Questionnaire, *, by: User, now: datetime) -> None:
    """Names who stands behind a draft. Raises Refused without the permission, with faults, or when it is no draft.

    Proposing again replaces the name. Writes `proposed_by`, nothing else.
    """
    if not _may_propose(by):
        raise Refused(_("Only a clinician proposes a questionnaire."))
    if found := faults(questionnaire):
        raise Refused(_("It has faults: %(faults)s"), params={"faults": "; ".join(found[:5])})
    if Questionnaire.objects.filter(pk=questionnaire.pk, status=Questionnaire.Status.DRAFT).update(proposed_by=by) != 1:
        raise Refused(_("Only a draft can be proposed."))


def _may_propose(user: User) -> bool:
    return user.is_active and user.has_perm("screening.propose_questionnaire")


def publish(questionnaire: Questionnaire, *, by: User, now: datetime) -> int:
    """Puts a proposed draft in force and retires the version before it. Returns how many patients have to answer again.

    Raises Refused unless `by` may publish, somebody else who still may proposed it, it has no faults and its version is
    the highest.
    Consequences: from now on nothing of it changes. When it asks everybody to answer again (`rescreen`), open requests
    on older versions are closed, and for each patient whose clearance or request rested on one
    clearance_changed("superseded") is sent: booked visits go back to asked for. All of it, or nothing.
    """
    try:
        with transaction.atomic():
            return _publish(questionnaire.pk, by=by, now=now)
    except IntegrityError as error:
        raise Refused(_("That could not be saved. Please look at the questionnaire again.")) from error


def _publish(pk: int, *, by: User, now: datetime) -> int:
    questionnaire = Questionnaire.objects.select_for_update().get(pk=pk)
    by = User.objects.get(pk=by.pk)
    if not (by.is_active and by.has_perm("screening.publish_questionnaire")):
        raise Refused(_("Only the lead clinician publishes a questionnaire."))
    if questionnaire.status != Questionnaire.Status.DRAFT:
        raise Refused(_("Only a draft can be published."))
    if questionnaire.proposed_by is None:
        raise Refused(_("Somebody has to propose it first."))
    if questionnaire.proposed_by_id == by.pk:
        raise Refused(_("You proposed it. Another person has to publish it."))
    if not _may_propose(questionnaire.proposed_by):
        raise Refused(_("Whoever proposed it may not do so any more. Another clinician has to propose it."))
    if found := faults(questionnaire):
        raise Refused(_("It has faults: %(faults)s"), params={"faults": "; ".join(found[:5])})
    older = Questionnaire.objects.filter(name=questionnaire.name).exclude(pk=pk)
    published = older.exclude(status=Questionnaire.Status.DRAFT)
    if published.filter(version__gte=questionnaire.version).exists():
        raise Refused(_("A newer version is in force already."))
    older.active().update(status=Questionnaire.Status.RETIRED, retired_at=now)
    Questionnaire.objects.filter(pk=pk, status=Questionnaire.Status.DRAFT).update(
        status=Questionnaire.Status.ACTIVE, published_by=by, published_at=now
    )
    if not questionnaire.rescreen or questionnaire.purpose != Questionnaire.Purpose.SCREENING:
        return 0
    return _everybody_answers_again(questionnaire, by=by, now=now)


def _everybody_answers_again(questionnaire: Questionnaire, *, by: User, now: datetime) -> int:
    on_older = Q(response__questionnaire__name=questionnaire.name) & Q(
        response__questionnaire__version__lt=questionnaire.version
    )
    requests = ReviewRequest.objects.waiting().filter(on_older, response__patient__isnull=False)
    reviews = Review.objects.filter(on_older, outcome__in=Review.CLEARING)
    again = {
        *requests.values_list("response__patient_id", flat=True),
        *reviews.filter(valid_until__gte=today_at(now)).values_list("patient_id", flat=True),
    }
    # Also those whose days are over: a visit that nobody closed may still stand on them.
    patients = sorted({*again, *reviews.values_list("patient_id", flat=True)})
    for patient_id in patients:  # always in the same order, so that two of these cannot lock each other out
        patient = adopting.lock_patient(patient_id)
        requests.filter(response__patient=patient).close(now=now)
        adopting.tell(patient, adopting.SUPERSEDED, by=by, now=now)
    return len(again)


def retire(questionnaire: Questionnaire, *, by: User, now: datetime) -> None:
    """Takes a version out of force without a newer one: nobody can fill it in any more. Earlier answers keep counting.

    Raises Refused without the permission to publish, or when it is not in force.
    """
    if not (by.is_active and by.has_perm("screening.publish_questionnaire")):
        raise Refused(_("Only the lead clinician retires a questionnaire."))
    active = Questionnaire.objects.active().filter(pk=questionnaire.pk)
    if active.update(status=Questionnaire.Status.RETIRED, retired_at=now) != 1:
        raise Refused(_("Only a version in force can be retired."))
