"""The answers of one person, read: what can be made out of them, what is wrong with them, what they call for.

Pure, and it fails closed: what cannot be read is never taken for "no". Nothing that can be put into `answers` raises.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from screening.questionnaires import Question, Questionnaire, read_date

_MAX_TEXT = 20_000  # longer than any form accepts: not an answer


@dataclass(frozen=True)
class Given:
    """One answer, read. `value` is a tuple of codes, a GivenDate, a number or a text."""

    value: Any
    usable: bool = True  # False: triggers still count, but the question stays unanswered


def is_blank(value: Any) -> bool:
    """Whether somebody has answered nothing: no value, only spaces, or an empty list."""
    return value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, list) and not value)


def _read(question: Question, value: Any) -> tuple[Given | None, str]:
    """One answer, and what is wrong with it (empty when nothing is). The codes that can be made out of a faulty
    answer are kept, so that a fault can never hide a trigger."""
    if question.kind == "choice":
        if isinstance(value, str):
            return (Given((value,)), "") if value in question.codes else (None, "unknown code")
        return _salvaged(question, value), "not one code"
    if question.kind == "choices":
        if isinstance(value, (list, tuple)):
            found = _salvaged(question, value)
            if found and all(isinstance(code, str) and code in question.codes for code in value):
                return Given(found.value), ""
            return found, "unknown code"
        return _salvaged(question, value), "not a list of codes"
    if question.kind in ("day", "date"):
        given = read_date(value, day_only=question.kind == "day")
        return (Given(given), "") if given else (None, "not a date")
    if question.kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None, "not a number"
        if isinstance(value, float) and not math.isfinite(value):
            return None, "not a number"
        low, high = question.minimum, question.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            return Given(value, usable=False), "number not possible"
        return Given(value), ""
    if question.kind == "text":
        if isinstance(value, str) and len(value) <= _MAX_TEXT:
            return Given(value), ""
        return None, "not a text"
    return None, f"unknown kind of question {question.kind!r}"


def _salvaged(question: Question, value: Any) -> Given | None:
    values = value if isinstance(value, (list, tuple)) else [value]
    said = {item for item in values if isinstance(item, str)}
    found = tuple(code for code in question.codes if code in said)
    return Given(found, usable=False) if found else None


def read_answers(questionnaire: Questionnaire, answers: Any):
    """(answers by link_id, [(link_id, what is wrong)] in questionnaire order then unknown questions)."""
    given: dict[str, Given] = {}
    unreadable: list[tuple[str, str]] = []
    if not isinstance(answers, Mapping):
        return given, unreadable
    for question in questionnaire.questions:
        value = answers.get(question.link_id)
        if is_blank(value):
            continue
        answer, fault = _read(question, value)
        if answer is not None:
            given[question.link_id] = answer
        if fault:
            unreadable.append((question.link_id, fault))
    unknown = {
        key if isinstance(key, str) else repr(key)[:80] for key in answers if key not in questionnaire.by_link_id
    }
    unreadable.extend((key, "no such question") for key in sorted(unknown))
    return given, unreadable


def is_asked(question: Question, given: Mapping[str, Given]) -> bool:
    if not question.parent:
        return True
    answer = given.get(question.parent)
    if answer is None:
        return False
    if not question.parent_codes:
        return True
    return isinstance(answer.value, tuple) and any(code in question.parent_codes for code in answer.value)


def questions_asked(questionnaire: Questionnaire, answers: Any) -> tuple[str, ...]:
    """The link_ids to ask, given these answers: top questions and the follow-ups that their answers call for."""
    given = read_answers(questionnaire, answers)[0]
    return tuple(question.link_id for question in questionnaire.questions if is_asked(question, given))
