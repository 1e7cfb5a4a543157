"""A person of 36 with nothing to report, and the shipped questionnaires to ask."""

from datetime import date
from functools import cache

from screening import assessment, definition
from screening.questionnaires import Questionnaire

TODAY = date(2026, 11, 22)

HARMLESS = {
    "age-date-of-birth": "1990-05-17",
    "treatment-area": ["face"],
    "scar-type": "acne-dented",
    "scar-age": "over-12-months",
    "active-skin-infection": "no",
    "cold-sores": "never",
    "broken-skin": "no",
    "active-acne": "none",
    "rosacea": "no",
    "eczema": "no",
    "psoriasis": "no",
    "keloid": "no",
    "injury-triggered-skin": "no",
    "skin-cancer-area": "no",
    "changing-mole": "no",
    "sun-tan": "no",
    "pregnancy": "does-not-apply",
    "breastfeeding": "does-not-apply",
    "isotretinoin": "no",
    "blood-thinners": "no",
    "bleeding-disorder": "no",
    "weak-immunity": "no",
    "cancer-treatment": "no",
    "diabetes": "no",
    "connective-tissue": "no",
    "poor-healing": "no",
    "recent-procedures": ["none"],
    "active-skincare": "no",
    "allergy-numbing": "no",
    "allergy-metal": "no",
    "allergy-other": "no",
    "numbing-safety": "no",
    "dark-marks": "no",
    "appearance-distress": "no",
    "other-health": "no",
}

HARMLESS_RECHECK = {
    "active-skin-infection": "no",
    "cold-sores": "never",
    "broken-skin": "no",
    "active-acne": "none",
    "sun-tan": "no",
    "active-skincare": "no",
    "pregnancy": "no",
    "recheck-new-medicine-or-diagnosis": "no",
    "recheck-new-procedure": "no",
    "recheck-problems": "no",
    "recheck-unwell": "no",
}


@cache
def shipped(name: str = "microneedling") -> Questionnaire:
    return definition.load(definition.DEFINITIONS / f"{name}.yaml")


def ask(changes=None, *, on=TODAY, answered_on=None, known_birth_date=None, without=()) -> assessment.Assessment:
    """What the default rules say about harmless answers with these changes."""
    answers = {key: value for key, value in (HARMLESS | (changes or {})).items() if key not in without}
    return assessment.assess(shipped(), answers, on=on, answered_on=answered_on, known_birth_date=known_birth_date)


def recheck(changes=None, *, on=TODAY, answered_on=None, without=()) -> assessment.Assessment:
    answers = {key: value for key, value in (HARMLESS_RECHECK | (changes or {})).items() if key not in without}
    return assessment.assess(shipped("microneedling-recheck"), answers, on=on, answered_on=answered_on)


def effects(result: assessment.Assessment) -> set[str]:
    return {finding.effect for finding in result.findings}


def rules(result: assessment.Assessment) -> set[str]:
    return {finding.rule for finding in result.findings}
