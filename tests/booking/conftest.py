"""A surgery with the shipped questionnaire, published when a test first needs it: that takes its time."""

from functools import cached_property

import pytest

from tests import make
from tests.booking.staff import Clock
from tests.kept import MADE, kept
from tests.screening.conftest import harmless_answers, publish


class ScreeningSurgery(make.Surgery):
    """Two nurses, two rooms, real questions."""

    def __init__(self, **policies):
        super().__init__(questionnaire=False, **policies)
        del self.questionnaire

    @cached_property
    def questionnaire(self):
        return publish("microneedling", self.treatment)

    @cached_property
    def answers(self) -> dict:
        """Answers that lead to nothing."""
        return harmless_answers(self.questionnaire)


def with_questions() -> ScreeningSurgery:
    """One whose questions are published already."""
    surgery = ScreeningSurgery()
    assert surgery.questionnaire
    return surgery


MADE["kept_surgery"] = with_questions


@pytest.fixture
def kept_surgery(db):
    return kept.fresh("kept_surgery")


@pytest.fixture
def surgery(kept_surgery):
    return kept_surgery


@pytest.fixture
def clock(monkeypatch):
    """What time it is on the pages: Monday 1 March 2027, 09:00 in London, until it is moved."""
    return Clock(monkeypatch)
