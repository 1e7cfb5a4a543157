"""A questionnaire as plain data, and the dates and periods in its rules and answers.

Pure: no database, no clock, no request. It comes from a definition file or from the rows of the database
(`screening.definition`); whoever made it, it never changes.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

EFFECTS = ("none", "advise", "review", "defer", "contraindicated")  # mildest first
BLOCKING = ("defer", "contraindicated")
OVERRIDES = ("O0", "O1", "O2")
NEEDS = ("prescriber", "lead-clinician", "face-to-face", "consultation-first", "no-numbing", "staff-help")
KINDS = ("day", "date", "choice", "choices", "text", "number")
UNKNOWN_DATE = "unknown"
NOT_SURE_CODES = ("not-sure", "another-or-not-sure")

# Questions that the code knows by name.
BIRTH_DATE = "age-date-of-birth"
AREAS = "treatment-area"
AFTER_LAST_SESSION = "recheck-problems"

# Findings that belong to no questionnaire: the answers, or the questionnaire itself, do not hold together. No rule may
# have one of these ids.
CHECK_FUTURE_DATE = "date-in-future"
CHECK_CONTRADICTION = "answers-contradict"
CHECK_BIRTH_DATE = "birth-date-differs"
CHECK_NUMBER = "number-not-possible"
CHECK_NO_RULES = "no-rules"
CHECK_BROKEN = "questionnaire-broken"
CHECKS = (CHECK_FUTURE_DATE, CHECK_CONTRADICTION, CHECK_BIRTH_DATE, CHECK_NUMBER, CHECK_NO_RULES, CHECK_BROKEN)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_YEAR = re.compile(r"[0-9]{4}")


class RuleError(Exception):
    """A rule cannot be read. Never leaves `assess`: there it blocks."""


@dataclass(frozen=True)
class Choice:
    """One answer that can be chosen. `code` is stored and matched on; `label` is what the patient reads."""

    code: str
    label: str


@dataclass(frozen=True)
class Section:
    """One step of the form, in the order given."""

    code: str
    title: str
    intro: str = ""


@dataclass(frozen=True)
class Question:
    """One question. `link_id` is for ever: never reused for a new meaning.

    A follow-up has a `parent` and is asked when the parent's answer is one of `parent_codes`; with no codes it is asked
    whenever the parent is answered. `no_finding` names the codes that rightly lead to nothing; every other code must be
    named by a rule. `exclusive` names codes that contradict any other in a list ("none"). `tense` says which side of
    the day of answering a date must be on, and `reaches_back` (a PERIOD) how long before it the question asks about:
    the form asks for an older date again; the rules never read this. `urgent` is advice to show at once, under
    `urgent_codes` or, without codes, always.
    """

    link_id: str
    section: str
    text: str
    kind: str
    hint: str = ""
    choices: tuple[Choice, ...] = ()
    required: bool = True
    parent: str = ""
    parent_codes: tuple[str, ...] = ()
    no_finding: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    tense: str = "past"
    reaches_back: Mapping[str, Any] | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    urgent: str = ""
    urgent_codes: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(choice.code for choice in self.choices)

    @property
    def is_follow_up(self) -> bool:
        return bool(self.parent)

    def is_before_its_time(self, given: GivenDate, answered_on: date) -> bool:
        """Is the whole of this date longer ago than the question reaches back, counted from the local day of answering?
        A month or a year of which one day fits is not, nor is a date not remembered."""
        if not self.reaches_back:
            return False
        return answered_on > plus(given.counts_as(answered_on), self.reaches_back)


@dataclass(frozen=True)
class Rule:
    """One rule: when its condition holds, a finding with this effect.

    `wait` makes a defer dated: {from: LINK_ID or "answering", days|weeks|months: n}; from that day on the rule says
    nothing. A defer without `wait` has no date. `ask_again` gives a day to ask again from, never an until.
    `title`, `reason` and `advice` are for the patient; `rationale`, `source` and `override_condition` for clinicians.
    `anchor` is the paragraph of the education pages that explains it ("who-should-wait#keloid").
    `public` rules are listed on the page "who should wait".
    """

    id: str
    when: Mapping[str, Any]
    effect: str
    override: str | None = None
    needs: tuple[str, ...] = ()
    wait: Mapping[str, Any] | None = None
    ask_again: Mapping[str, Any] | None = None
    title: str = ""
    reason: str = ""
    advice: str = ""
    rationale: str = ""
    source: str = ""
    override_condition: str = ""
    anchor: str = ""
    public: bool = False


@dataclass(frozen=True)
class Questionnaire:
    """One version of a questionnaire: its sections, questions (each follow-up after its parent) and rules, in order."""

    name: str
    version: int
    title: str
    sections: tuple[Section, ...]
    questions: tuple[Question, ...]
    rules: tuple[Rule, ...]
    device_label: str = ""
    purpose: str = "screening"  # or "recheck"

    @cached_property
    def by_link_id(self) -> dict[str, Question]:
        return {question.link_id: question for question in self.questions}

    def item_of(self, link_id: str) -> str:
        """The top question that a follow-up belongs to; itself for a top question."""
        seen = set()
        while link_id not in seen:
            seen.add(link_id)
            question = self.by_link_id.get(link_id)
            if question is None or not question.parent:
                return link_id
            link_id = question.parent
        return link_id

    def follow_ups(self, link_id: str) -> tuple[Question, ...]:
        return tuple(question for question in self.questions if question.parent == link_id)

    @cached_property
    def rules_apart(self) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
        """(the rules that look at answers, the rules that count what those have found), each in order."""
        counting = tuple(rule for rule in self.rules if _counts_items(rule.when))
        return tuple(rule for rule in self.rules if rule not in counting), counting

    def public_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.public)


def _counts_items(condition: Any) -> bool:
    if isinstance(condition, Mapping):
        if condition.get("count") == "items":
            return True
        return any(_counts_items(value) for value in condition.values())
    return isinstance(condition, (list, tuple)) and any(_counts_items(part) for part in condition)


# ---------------------------------------------------------------- dates


def plus(day: date, period: Mapping[str, Any]) -> date:
    """`day` plus {days|weeks|months: n}. Months are calendar months: 31 August plus 6 months is 28 (or 29) February.

    Raises RuleError when the period cannot be read. Never overflows: the far ends of the calendar are the limit."""
    unit, number = read_period(period)
    try:
        if unit == "months":
            year, month = divmod(day.year * 12 + day.month - 1 + number, 12)
            return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
        return day + timedelta(days=number * (7 if unit == "weeks" else 1))
    except (ValueError, OverflowError):
        return date.max


def read_period(period: Any) -> tuple[str, int]:
    """The unit and the number of {days|weeks|months: n}. Raises RuleError."""
    units = [key for key in period if key in ("days", "weeks", "months")] if isinstance(period, Mapping) else []
    if len(units) != 1:
        raise RuleError(f"not a period of days, weeks or months: {period!r}")
    number = period[units[0]]
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= 1200:
        raise RuleError(f"not a whole number above 0: {number!r}")
    return units[0], number


@dataclass(frozen=True)
class GivenDate:
    """A date as a patient gave it: a day, a month, a year, or not remembered."""

    first: date  # the first day it can mean
    last: date  # the last
    precision: str  # "day", "month", "year", "unknown"

    def counts_as(self, answered_on: date) -> date:
        """Its last possible day, but never later than the day of answering, unless all of it lies after that day."""
        return self.last if self.first > answered_on else min(self.last, answered_on)


def read_date(value: Any, *, day_only: bool = False) -> GivenDate | None:
    """An ISO day, month (2026-08), year (2026) or "unknown"; None when it is none of these. Never raises."""
    if not isinstance(value, str):
        return None
    try:
        if _DAY.fullmatch(value):
            day = date.fromisoformat(value)
            return GivenDate(day, day, "day")
        if day_only:
            return None
        if value == UNKNOWN_DATE:
            return GivenDate(date.min, date.max, "unknown")
        if _MONTH.fullmatch(value):
            year, month = int(value[:4]), int(value[5:])
            return GivenDate(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]), "month")
        if _YEAR.fullmatch(value):
            return GivenDate(date(int(value), 1, 1), date(int(value), 12, 31), "year")
    except (ValueError, IndexError):  # IllegalMonthError is both
        return None
    return None
