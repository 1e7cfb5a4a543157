"""How a questionnaire is asked: its pages, and the words that some answers call for at once.

Pure, as the rules are: a questionnaire and answers go in, nothing is read or written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from screening.answers import is_blank, questions_asked
from screening.questionnaires import BIRTH_DATE, Question, Questionnaire, Section


@dataclass(frozen=True)
class Step:
    """One page of the form: a group of questions, each follow-up after its parent."""

    number: int
    title: str
    intro: str
    questions: tuple[Question, ...]


def steps_of(questionnaire: Questionnaire) -> list[Step]:
    """The pages of a questionnaire, one a section; the birth date always stands first, on a page of its own."""
    birth = tuple(question for question in questionnaire.questions if question.link_id == BIRTH_DATE)
    rest = [question for question in questionnaire.questions if question.link_id != BIRTH_DATE]
    pages: list[tuple[Section, tuple[Question, ...]]] = []
    for section in questionnaire.sections:
        questions = tuple(question for question in rest if question.section == section.code)
        if birth and section.code == birth[0].section:
            pages.insert(0, (section, birth))
        if questions:
            pages.append((section, questions))
    return [
        Step(number, section.title, section.intro, questions)
        for number, (section, questions) in enumerate(pages, start=1)
    ]


def first_gap(questionnaire: Questionnaire, answers: Mapping[str, Any]) -> int | None:
    """The number of the first step with a required answer missing, or None."""
    asked = set(questions_asked(questionnaire, answers))
    for step in steps_of(questionnaire):
        if any(q.required and q.link_id in asked and q.link_id not in answers for q in step.questions):
            return step.number
    return None


def urgent_words(questions: tuple[Question, ...], answers: Mapping[str, Any]) -> list[str]:
    """Advice that cannot wait until the form is sent (H13), for the answers given."""
    found = []
    for question in questions:
        value = answers.get(question.link_id)
        codes = value if isinstance(value, list) else [value]
        if question.urgent and any(code in question.urgent_codes for code in codes):
            found.append(question.urgent)
    return list(dict.fromkeys(found))


def standing_words(questions: tuple[Question, ...], answers: Mapping[str, Any]) -> list[str]:
    """What is said whatever comes of it, such as not to stop a medicine (H16): the notices of questions whose answer
    leads to something. A refusal must tempt nobody to change what a doctor prescribed."""
    found = []
    for question in questions:
        value = answers.get(question.link_id)
        codes = value if isinstance(value, list) else [value]
        answered = not is_blank(value) and any(code not in question.no_finding for code in codes)
        if question.urgent and not question.urgent_codes and answered:
            found.append(question.urgent)
    return list(dict.fromkeys(found))
