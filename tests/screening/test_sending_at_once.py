"""Two windows send, save and reply at the same moment: one of each is kept."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection, transaction

from screening import finished
from screening import responses as verbs
from screening.models import Assessment, DataKey, QuestionnaireResponse
from tests.make import NOW, TODAY, make_treatment
from tests.screening.conftest import harmless_answers, publish

pytestmark = pytest.mark.django_db(transaction=True)
BIRTH = date(1990, 5, 4)


def at_once(*tasks) -> list:
    """Runs the tasks in threads that start together; their results or exceptions, in order."""
    results: list = [None] * len(tasks)
    gate = threading.Barrier(len(tasks))

    def run(place, task):
        gate.wait()
        try:
            results[place] = task()
        except Exception as error:  # noqa: BLE001 - told to the test
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def draft():
    questionnaire = publish("microneedling", make_treatment())
    response = verbs.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW)
    verbs.save_answers(response, harmless_answers(questionnaire), now=NOW)
    return response


def again(response):
    return QuestionnaireResponse.objects.get(pk=response.pk)


def test_sending_in_two_windows_sends_once(draft):
    def send(seconds):
        return lambda: verbs.complete(again(draft), today=TODAY, now=NOW + timedelta(seconds=seconds)).completed_at

    first, second = at_once(send(1), send(2))
    assert first == second == again(draft).completed_at


def test_saving_two_steps_at_once_keeps_both(draft):
    def save(changes):
        return lambda: verbs.save_answers(again(draft), changes, now=NOW)

    at_once(save({"keloid": "not-sure"}), save({"pregnancy": "might-be"}))
    answers = finished.answers_of(again(draft))
    assert (answers["keloid"], answers["pregnancy"]) == ("not-sure", "might-be")


def test_saving_while_sending_is_in_it_or_refused(draft):
    saved, sent = at_once(
        lambda: verbs.save_answers(again(draft), {"keloid": "not-sure"}, now=NOW),
        lambda: verbs.complete(again(draft), today=TODAY, now=NOW),
    )
    assert sent.status == "completed"
    kept = finished.answers_of(again(draft))["keloid"]
    assert isinstance(saved, verbs.AlreadySent) if kept != "not-sure" else saved["keloid"] == "not-sure"


def test_sending_what_changed_since_it_was_declared_is_refused(draft):
    declared = finished.answers_of(draft)
    verbs.save_answers(again(draft), {"keloid": "not-sure"}, now=NOW)
    with pytest.raises(verbs.AnswersChanged):
        verbs.complete(again(draft), today=TODAY, now=NOW, declaration="It is true.", declared=declared)
    assert again(draft).status == "in-progress"
    now_so = finished.answers_of(again(draft))
    assert verbs.complete(again(draft), today=TODAY, now=NOW, declared=now_so).status == "completed"


def test_a_guess_at_the_birth_date_waits_for_those_before_it(draft):
    """Else eight sent at the same moment were eight guesses, and not three."""
    told: list = []

    def guess():
        try:
            told.append(verbs.prove_birth_date(again(draft), BIRTH, now=NOW))
        except verbs.AlreadySent:
            told.append("no more")
        finally:
            connection.close()

    with transaction.atomic():
        QuestionnaireResponse.objects.select_for_update().get(pk=draft.pk)
        DataKey.objects.filter(response=draft).update(wrong_birth_dates=verbs.WRONG_BIRTH_DATES)
        thread = threading.Thread(target=guess)
        thread.start()
        while not told and not is_waited_for():
            pass
    thread.join()
    assert told == ["no more"]


def is_waited_for() -> bool:
    """Whether another connection waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def test_two_readers_record_one_assessment(draft):
    response = verbs.complete(draft, today=TODAY, now=NOW)
    found = at_once(*(lambda: finished.assess_on(again(response), on=TODAY, now=NOW).effect for _reader in range(4)))
    assert found == ["none"] * 4
    assert Assessment.objects.count() == 1
