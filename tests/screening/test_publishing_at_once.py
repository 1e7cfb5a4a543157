"""One changes a draft while another publishes it, on two connections: what is in force never changes (I4).

Each race is first shown to be one, with the function as it was before it took a lock.
"""

import threading
from contextlib import contextmanager
from importlib import import_module

import pytest
from django.db import DatabaseError, connection, transaction

from screening.models import Questionnaire
from tests.make import NOW, make_treatment, make_user

pytestmark = pytest.mark.django_db(transaction=True)
walls = import_module("screening.migrations.0007_locked_while_it_changes")

CHANGES = {
    "section": "UPDATE screening_section SET title = 'other' WHERE questionnaire_id = %s",
    "question": "UPDATE screening_question SET text = 'other' WHERE questionnaire_id = %s",
    "choice": "UPDATE screening_choice SET code = 'other' WHERE question_id IN"
    " (SELECT id FROM screening_question WHERE questionnaire_id = %s)",
    "rule": "UPDATE screening_rule SET effect = 'none', override = '' WHERE questionnaire_id = %s",
    "treatments": "DELETE FROM screening_questionnaire_treatments WHERE questionnaire_id = %s",
}
every_part = pytest.mark.parametrize("part", CHANGES)


@pytest.fixture
def draft():
    draft = Questionnaire.objects.create(name="x", version=1, title="x", proposed_by=make_user(role="Clinician"))
    draft.treatments.add(make_treatment())
    section = draft.sections.create(order=1, code="s", title="Skin")
    question = draft.questions.create(section=section, order=1, link_id="keloid", text="?", kind="choice")
    question.choices.create(order=1, code="yes", label="Yes")
    draft.rules.create(order=1, code="r", condition={}, effect="contraindicated", override="O0")
    return draft


@pytest.fixture
def lead():
    return make_user(role="Lead clinician")


@pytest.fixture
def without_the_lock(draft):
    """The function as it was; the owner's alone to replace."""
    with connection.cursor() as cursor:
        cursor.execute(walls.PARTS_UNLOCKED)
    yield
    with connection.cursor() as cursor:
        cursor.execute(walls.PARTS_LOCKED)
        cursor.execute("ALTER FUNCTION screening_parts_keep() SET search_path = public, pg_temp")


@contextmanager
def as_the_site(patience: str = "5s"):
    """A transaction of the web role that waits no longer than this for anybody."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE clinic_web")
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [patience])
        yield cursor


def publish(cursor, draft, lead):
    statement = "UPDATE screening_questionnaire SET status = 'active', published_by_id = %s, published_at = %s"
    cursor.execute(f"{statement} WHERE id = %s", [lead.pk, NOW, draft.pk])
    return cursor.rowcount


class Meanwhile(threading.Thread):
    """Somebody else, on a connection of their own. `outcome` is what came of it, or the wall that refused."""

    def __init__(self, act, **more):
        super().__init__(daemon=True)
        self.act, self.more, self.outcome = act, more, None
        self.start()

    def run(self):
        try:
            with as_the_site(**self.more) as cursor:
                self.outcome = self.act(cursor)
        except DatabaseError as error:
            diag = error.__cause__.diag
            self.outcome = diag.constraint_name or diag.sqlstate
        finally:
            connection.close()

    def result(self):
        self.join(timeout=20)
        assert not self.is_alive()
        return self.outcome


def change(part, draft):
    def act(cursor):
        cursor.execute(CHANGES[part], [draft.pk])
        return cursor.rowcount

    return act


WAITED_IN_VAIN = "55P03"


@every_part
def test_without_the_lock_a_part_changes_after_it_was_published(draft, lead, part, without_the_lock):
    with as_the_site() as cursor:
        assert change(part, draft)(cursor) == 1
        assert Meanwhile(lambda other: publish(other, draft, lead)).result() == 1  # and it is in force, here still open
    assert Questionnaire.objects.get(pk=draft.pk).status == "active"


@every_part
def test_publishing_waits_for_whoever_changes_a_part(draft, lead, part):
    with as_the_site() as cursor:
        assert change(part, draft)(cursor) == 1
        too_soon = Meanwhile(lambda other: publish(other, draft, lead), patience="200ms")
        assert too_soon.result() == WAITED_IN_VAIN
    with as_the_site() as cursor:
        assert publish(cursor, draft, lead) == 1


@every_part
def test_changing_a_part_waits_for_whoever_publishes_and_is_refused(draft, lead, part):
    with as_the_site() as cursor:
        assert publish(cursor, draft, lead) == 1
        late = Meanwhile(change(part, draft))
        late.join(timeout=0.3)
        assert late.is_alive()  # it waits
    assert late.result() == "screening_questionnaire_never_changes"


@every_part
def test_without_the_lock_nobody_waits(draft, lead, part, without_the_lock):
    with as_the_site() as cursor:
        assert publish(cursor, draft, lead) == 1
        assert Meanwhile(change(part, draft)).result() == 1


def test_a_choice_waits_for_its_question_to_stay(draft):
    """Else the question could move meanwhile to a questionnaire that is then published."""
    other = Questionnaire.objects.create(name="y", version=1, title="y")
    section = other.sections.create(order=1, code="s", title="Skin")
    move = "UPDATE screening_question SET questionnaire_id = %s, section_id = %s WHERE questionnaire_id = %s"
    with as_the_site() as cursor:
        assert change("choice", draft)(cursor) == 1
        moving = Meanwhile(lambda it: it.execute(move, [other.pk, section.pk, draft.pk]), patience="200ms")
        assert moving.result() == WAITED_IN_VAIN


def test_two_may_change_parts_of_one_draft_at_once(draft):
    with as_the_site() as cursor:
        assert change("rule", draft)(cursor) == 1
        assert Meanwhile(change("section", draft), patience="200ms").result() == 1
