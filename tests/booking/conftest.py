"""A surgery with the shipped questionnaire in force."""

import pytest

from tests import make
from tests.screening.conftest import harmless_answers, publish


def open_surgery(**policies) -> make.Surgery:
    """Two nurses, two rooms, real questions. `surgery.answers` lead to nothing."""
    surgery = make.Surgery(questionnaire=False, **policies)
    surgery.questionnaire = publish("microneedling", surgery.treatment)
    surgery.answers = harmless_answers(surgery.questionnaire)
    return surgery


@pytest.fixture
def surgery(db):
    return open_surgery()
