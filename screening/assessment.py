"""What the clinic's rules say about one set of answers on one date.

Pure: no database, no clock, no request. A questionnaire comes in as frozen dataclasses (from a definition file or from
the rows of the database), answers as plain JSON values, dates as `datetime.date` of the clinic's local calendar.

It fails closed. Whatever is missing, unknown, unreadable, contradictory or broken makes the outcome worse, never
milder, and nothing that can be put into `answers` raises. An outcome of "none" is not clearance: a clinician decides.

Effects, worst first: contraindicated, defer, review, advise, none. "incomplete" blocks like contraindicated.

A rule's condition (`when`) is data. Each is a mapping with exactly one of these operators:

    all: [conditions]         every one holds
    any: [conditions]         at least one holds
    answer: LINK_ID           with `is: [codes]`: the answer is, or contains, one of the codes
    date: LINK_ID             a date was given; narrowed by any of the periods below
        within: PERIOD            the day asked about is before the date plus the period
        from: PERIOD              ... is on or after it
        up_to: PERIOD             ... is on or before it
        older_than: PERIOD        ... is after it
        further_than: PERIOD      the date is more than the period after the day asked about
        of: treatment | answering | either     the day asked about (default: treatment)
        vague: never | surely     never: only a day or a month counts, by its last possible day; surely: it holds on
                                  whatever day of that month or year it was. An unknown date then never counts.
    number: LINK_ID           with `over` and/or `under`
    age: LINK_ID              with `under` and/or `at_least` in whole years, and `of` as above
    count: answers            with `codes` and `at_least`: how many questions have one of these codes
    count: items              with `effect` and `at_least`: how many items have a finding of that effect by themselves

PERIOD is {days: n}, {weeks: n} or {months: n}; months are calendar months, clamped to the month's end.
There is no "not": no answer can switch a finding off.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils.translation import gettext_noop

from clinic.ages import age_on, birthday

EFFECTS = ("none", "advise", "review", "defer", "contraindicated")  # mildest first
INCOMPLETE = "incomplete"
BLOCKING = ("defer", "contraindicated")
OVERRIDES = ("O0", "O1", "O2")
NEEDS = ("prescriber", "lead-clinician", "face-to-face", "consultation-first", "no-numbing", "staff-help")
KINDS = ("day", "date", "choice", "choices", "text", "number")
UNKNOWN_DATE = "unknown"
NOT_SURE_CODES = ("not-sure", "another-or-not-sure")

_SEVERITY = {effect: rank for rank, effect in enumerate(EFFECTS)}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_YEAR = re.compile(r"[0-9]{4}")
_DATE_WINDOWS = ("within", "from", "up_to", "older_than", "further_than")
_MAX_TEXT = 20_000  # longer than any form accepts: not an answer


class RuleError(Exception):
    """A rule cannot be read. Never leaves `assess`: there it blocks."""


# ---------------------------------------------------------------- the questionnaire, as data


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

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with this questionnaire, in words; empty when it may be used. See `find_faults`."""
        return tuple(fault.text for fault in find_faults(self))

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

    def asked(self, answers: Any) -> tuple[str, ...]:
        """The link_ids to ask, given these answers: top questions and the follow-ups that their answers call for."""
        given = _read_all(self, answers)[0]
        return tuple(question.link_id for question in self.questions if _is_asked(question, given))

    @cached_property
    def rules_apart(self) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
        """(the rules that look at answers, the rules that count what those have found), each in order."""
        counting = tuple(rule for rule in self.rules if _counts_items(rule.when))
        return tuple(rule for rule in self.rules if rule not in counting), counting

    def public_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.public)


# ---------------------------------------------------------------- what comes out


@dataclass(frozen=True)
class Finding:
    """One rule that spoke. `until` is the first day on which the wait no longer applies (local date), if it has one."""

    rule: str
    effect: str
    questions: tuple[str, ...] = ()
    until: date | None = None
    override: str | None = None
    needs: tuple[str, ...] = ()
    ask_again_from: date | None = None
    missing: tuple[str, ...] = ()  # follow-ups left out: the finding is the worst they could have meant
    details: tuple[str, ...] = ()  # for clinicians and rule authors, never for patients
    title: str = ""
    reason: str = ""
    advice: str = ""
    rationale: str = ""
    source: str = ""
    override_condition: str = ""
    anchor: str = ""

    @property
    def is_note(self) -> bool:
        """A note for the clinician, with no effect of its own."""
        return self.effect == "none"

    @property
    def blocks(self) -> bool:
        return self.effect in BLOCKING

    def as_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "effect": self.effect,
            "questions": list(self.questions),
            "until": self.until.isoformat() if self.until else None,
            "override": self.override,
            "needs": list(self.needs),
        }


@dataclass(frozen=True)
class Assessment:
    """What the rules say about one set of answers for one treatment date. Findings are worst first.

    `earliest` is the first day that no wait is in the way; None unless waits with a date are the only thing in the way.
    `incomplete` names the questions without a usable answer, and answers to questions that do not exist;
    `unreadable` says of those that had some value what was wrong with it.
    """

    effect: str
    earliest: date | None
    incomplete: tuple[str, ...]
    findings: tuple[Finding, ...]
    on: date
    answered_on: date
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def blocks(self) -> bool:
        """No treatment time on this date. An `earliest` may offer later ones."""
        return self.effect == INCOMPLETE or self.effect in BLOCKING

    @property
    def ask_again_from(self) -> date | None:
        """The latest day that a finding gives to ask again from; it promises nothing."""
        return max((f.ask_again_from for f in self.findings if f.ask_again_from), default=None)

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(need for need in NEEDS if any(need in finding.needs for finding in self.findings))

    @property
    def override(self) -> str:
        """What looking past all of it takes: "O0" (nobody can) before "O2" before "O1"; "" where there is nothing."""
        overrides = {finding.override for finding in self.findings}
        return next((override for override in ("O0", "O2", "O1") if override in overrides), "")

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON shape of `manage.py assess`."""
        return {
            "effect": self.effect,
            "earliest": self.earliest.isoformat() if self.earliest else None,
            "incomplete": list(self.incomplete),
            "findings": [finding.as_dict() for finding in self.findings],
        }


# Findings that belong to no questionnaire: the answers, or the questionnaire itself, do not hold together.
CHECK_FUTURE_DATE = "date-in-future"
CHECK_CONTRADICTION = "answers-contradict"
CHECK_BIRTH_DATE = "birth-date-differs"
CHECK_NUMBER = "number-not-possible"
CHECK_NO_RULES = "no-rules"
CHECK_BROKEN = "questionnaire-broken"

_CHECK_WORDS = {
    CHECK_FUTURE_DATE: (
        gettext_noop("a date that has not come yet"),
        gettext_noop("One of your dates is in the future, where we asked about the past."),
        gettext_noop("Please look at the date again. A clinician will check it with you."),
        "A date in the future where the past is meant; the worse reading is applied as well.",
    ),
    CHECK_CONTRADICTION: (
        gettext_noop("two answers that do not fit together"),
        gettext_noop("Two of your answers do not fit together."),
        gettext_noop("Please look at them again. A clinician will check them with you."),
        "Contradicting answers; the worse reading is applied as well.",
    ),
    CHECK_BIRTH_DATE: (
        gettext_noop("your date of birth"),
        gettext_noop("This date of birth is not the one we have for you."),
        gettext_noop("We will check your date of birth with you."),
        "The birth date differs from the account's: check identity before reading on.",
    ),
    CHECK_NUMBER: (
        gettext_noop("a number that does not look right"),
        gettext_noop("One of your numbers does not look right."),
        gettext_noop("Please look at the number again."),
        "A number outside what is possible.",
    ),
    CHECK_NO_RULES: (
        gettext_noop("a fault on our side"),
        gettext_noop("We cannot check your answers at the moment. The fault is ours."),
        gettext_noop("Please call us. We will sort it out with you."),
        "The questionnaire has no rules, so nothing can be assessed.",
    ),
    CHECK_BROKEN: (
        gettext_noop("a fault on our side"),
        gettext_noop("We cannot check your answers at the moment. The fault is ours."),
        gettext_noop("Please call us. We will sort it out with you."),
        "The questionnaire or one of its rules is faulty, so its silence means nothing.",
    ),
}


def _check_finding(check: str, *, effect: str, override: str, questions=(), details=(), rule: str = "") -> Finding:
    title, reason, advice, rationale = _CHECK_WORDS[check]
    return Finding(
        rule=rule or check,
        effect=effect,
        questions=tuple(questions),
        override=override,
        details=tuple(details),
        title=title,
        reason=reason,
        advice=advice,
        rationale=rationale,
    )


# ---------------------------------------------------------------- dates


def plus(day: date, period: Mapping[str, Any]) -> date:
    """`day` plus {days|weeks|months: n}. Months are calendar months: 31 August plus 6 months is 28 (or 29) February.

    Raises RuleError when the period cannot be read. Never overflows: the far ends of the calendar are the limit."""
    unit, number = _period(period)
    try:
        if unit == "months":
            year, month = divmod(day.year * 12 + day.month - 1 + number, 12)
            return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
        return day + timedelta(days=number * (7 if unit == "weeks" else 1))
    except (ValueError, OverflowError):
        return date.max


def _period(period: Any) -> tuple[str, int]:
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


# ---------------------------------------------------------------- reading the answers


@dataclass(frozen=True)
class _Given:
    """One answer, read. `value` is a tuple of codes, a GivenDate, a number or a text."""

    value: Any
    usable: bool = True  # False: triggers still count, but the question stays unanswered


def is_blank(value: Any) -> bool:
    """Whether somebody has answered nothing: no value, only spaces, or an empty list."""
    return value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, list) and not value)


def _read(question: Question, value: Any) -> tuple[_Given | None, str]:
    """One answer, and what is wrong with it (empty when nothing is). The codes that can be made out of a faulty
    answer are kept, so that a fault can never hide a trigger."""
    if question.kind == "choice":
        if isinstance(value, str):
            return (_Given((value,)), "") if value in question.codes else (None, "unknown code")
        return _salvaged(question, value), "not one code"
    if question.kind == "choices":
        if isinstance(value, (list, tuple)):
            found = _salvaged(question, value)
            if found and all(isinstance(code, str) and code in question.codes for code in value):
                return _Given(found.value), ""
            return found, "unknown code"
        return _salvaged(question, value), "not a list of codes"
    if question.kind in ("day", "date"):
        given = read_date(value, day_only=question.kind == "day")
        return (_Given(given), "") if given else (None, "not a date")
    if question.kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None, "not a number"
        if isinstance(value, float) and not math.isfinite(value):
            return None, "not a number"
        low, high = question.minimum, question.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            return _Given(value, usable=False), "number not possible"
        return _Given(value), ""
    if question.kind == "text":
        if isinstance(value, str) and len(value) <= _MAX_TEXT:
            return _Given(value), ""
        return None, "not a text"
    return None, f"unknown kind of question {question.kind!r}"


def _salvaged(question: Question, value: Any) -> _Given | None:
    values = value if isinstance(value, (list, tuple)) else [value]
    said = {item for item in values if isinstance(item, str)}
    found = tuple(code for code in question.codes if code in said)
    return _Given(found, usable=False) if found else None


def _read_all(questionnaire: Questionnaire, answers: Any):
    """(answers by link_id, [(link_id, what is wrong)] in questionnaire order then unknown questions)."""
    given: dict[str, _Given] = {}
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


def _is_asked(question: Question, given: Mapping[str, _Given]) -> bool:
    if not question.parent:
        return True
    answer = given.get(question.parent)
    if answer is None:
        return False
    if not question.parent_codes:
        return True
    return isinstance(answer.value, tuple) and any(code in question.parent_codes for code in answer.value)


# ---------------------------------------------------------------- conditions


@dataclass(frozen=True)
class _Facts:
    """Everything a condition may look at."""

    questionnaire: Questionnaire
    given: Mapping[str, _Given]
    on: date
    answered_on: date
    births: tuple[date, ...]  # the one answered and the one known, when they differ
    open: frozenset[str] = frozenset()  # left out: they could have meant anything
    findings: tuple[Finding, ...] = ()  # of the single rules, for `count: items`

    def question(self, link_id: Any, *kinds: str) -> Question:
        question = self.questionnaire.by_link_id.get(link_id) if isinstance(link_id, str) else None
        if question is None:
            raise RuleError(f"unknown question {link_id}")
        if question.kind not in kinds:
            raise RuleError(f"{link_id} is a question of kind {question.kind}")
        return question

    def days(self, of: Any) -> tuple[date, ...]:
        if of == "treatment":
            return (self.on,)
        if of == "answering":
            return (self.answered_on,)
        if of == "either":
            return (self.on, self.answered_on)
        raise RuleError(f"unknown day {of!r}: treatment, answering or either")


def _matches(condition: Any, facts: _Facts) -> frozenset[str] | None:
    """The link_ids that make the condition hold, or None when it does not. Raises RuleError when it cannot be read."""
    if not isinstance(condition, Mapping):
        raise RuleError(f"not a condition: {condition!r}")
    operators = [key for key in condition if key in _OPERATORS]
    if len(operators) != 1:
        raise RuleError(f"a condition has exactly one of {', '.join(_OPERATORS)}: {dict(condition)!r}")
    read, allowed = _OPERATORS[operators[0]]
    stray = [str(key) for key in condition if key != operators[0] and key not in allowed]
    if stray:
        raise RuleError(f"{operators[0]} does not know {', '.join(stray)}")
    return read(condition, facts)


def _conditions(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not value:
        raise RuleError("all and any take a list of conditions")
    return list(value)


def _all(condition, facts):
    results = [_matches(part, facts) for part in _conditions(condition["all"])]
    held = [result for result in results if result is not None]
    return frozenset().union(*held) if len(held) == len(results) else None


def _any(condition, facts):
    results = [_matches(part, facts) for part in _conditions(condition["any"])]
    held = [result for result in results if result is not None]
    return frozenset().union(*held) if held else None


def _answer(condition, facts):
    question = facts.question(condition["answer"], "choice", "choices")
    codes = condition.get("is")
    if not isinstance(codes, (list, tuple)) or not codes:
        raise RuleError("answer needs `is`, a list of codes")
    for code in codes:
        if code not in question.codes:
            raise RuleError(f"{question.link_id} has no answer {code}")
    answer = facts.given.get(question.link_id)
    held = question.link_id in facts.open or (answer is not None and any(code in codes for code in answer.value))
    return frozenset([question.link_id]) if held else None


def _date(condition, facts):
    question = facts.question(condition["date"], "date", "day")
    windows = {name: condition[name] for name in _DATE_WINDOWS if name in condition}
    for period in windows.values():
        _period(period)
    days, vague = facts.days(condition.get("of", "treatment")), condition.get("vague")
    if vague not in (None, "never", "surely"):
        raise RuleError(f"vague is never or surely, not {vague!r}")
    if question.link_id in facts.open:
        return frozenset([question.link_id])
    answer = facts.given.get(question.link_id)
    if answer is None:
        return None
    given: GivenDate = answer.value
    day = given.counts_as(facts.answered_on)
    if vague and given.precision == "unknown":
        return None
    # A year that has not begun is a date in the future, and that is read at its worst.
    if vague == "never" and given.precision == "year" and given.first <= facts.answered_on:
        return None
    possible = {day, given.first} if vague == "surely" else {day}
    fits = {
        "within": lambda day, asked, period: asked < plus(day, period),
        "from": lambda day, asked, period: asked >= plus(day, period),
        "up_to": lambda day, asked, period: asked <= plus(day, period),
        "older_than": lambda day, asked, period: asked > plus(day, period),
        "further_than": lambda day, asked, period: day > plus(asked, period),
    }
    held = any(
        all(fits[name](day, asked, period) for name, period in windows.items() for day in possible) for asked in days
    )
    return frozenset([question.link_id]) if held else None


def _bounds(condition, low: str, high: str):
    bounds = condition.get(low), condition.get(high)
    if bounds == (None, None):
        raise RuleError(f"needs `{low}` or `{high}`")
    for bound in bounds:
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))):
            raise RuleError(f"not a number: {bound!r}")
    return bounds


def _number(condition, facts):
    question = facts.question(condition["number"], "number")
    over, under = _bounds(condition, "over", "under")
    if question.link_id in facts.open:
        return frozenset([question.link_id])
    answer = facts.given.get(question.link_id)
    if answer is None:
        return None
    held = (over is None or answer.value > over) and (under is None or answer.value < under)
    return frozenset([question.link_id]) if held else None


def _age(condition, facts):
    question = facts.question(condition["age"], "day")
    at_least, under = _bounds(condition, "at_least", "under")
    days = facts.days(condition.get("of", "treatment"))
    ages = [age_on(birth, day) for birth in facts.births for day in days]
    held = any((at_least is None or age >= at_least) and (under is None or age < under) for age in ages)
    return frozenset([question.link_id]) if held else None


def _count(condition, facts):
    at_least = condition.get("at_least")
    if isinstance(at_least, bool) or not isinstance(at_least, int) or at_least < 1:
        raise RuleError("count needs `at_least`, a whole number above 0")
    if condition["count"] == "answers":
        codes = condition.get("codes")
        if not isinstance(codes, (list, tuple)) or not codes or "effect" in condition:
            raise RuleError("count: answers needs `codes`, a list")
        known = {code for question in facts.questionnaire.questions for code in question.codes}
        for code in codes:
            if code not in known:
                raise RuleError(f"no question has the answer {code}")
        counted = {
            link_id
            for link_id, answer in facts.given.items()
            if isinstance(answer.value, tuple) and any(code in codes for code in answer.value)
        }
        # Two follow-ups of one item are two answers, though one item.
        return frozenset(counted) if len(counted) >= at_least else None
    if condition["count"] == "items":
        effect = condition.get("effect")
        if effect not in EFFECTS or "codes" in condition:
            raise RuleError("count: items needs `effect`")
        counted = {finding.questions[0] for finding in facts.findings if finding.effect == effect}
        return frozenset(counted) if len(counted) >= at_least else None
    raise RuleError(f"count is answers or items, not {condition['count']!r}")


_OPERATORS = {
    "all": (_all, ()),
    "any": (_any, ()),
    "answer": (_answer, ("is",)),
    "date": (_date, (*_DATE_WINDOWS, "of", "vague")),
    "number": (_number, ("over", "under")),
    "age": (_age, ("at_least", "under", "of")),
    "count": (_count, ("codes", "effect", "at_least")),
}


def _counts_items(condition: Any) -> bool:
    if isinstance(condition, Mapping):
        if condition.get("count") == "items":
            return True
        return any(_counts_items(value) for value in condition.values())
    return isinstance(condition, (list, tuple)) and any(_counts_items(part) for part in condition)


# ---------------------------------------------------------------- rules


def _wait_until(rule: Rule, facts: _Facts) -> tuple[bool, date | None]:
    """(does the rule still speak on the treatment date, until when). No date known to count from: for ever."""
    if rule.wait is None:
        return True, None
    if not isinstance(rule.wait, Mapping) or set(rule.wait) - {"from", "days", "weeks", "months"}:
        raise RuleError(f"wait cannot be read: {rule.wait!r}")
    period = {key: value for key, value in rule.wait.items() if key != "from"}
    _period(period)
    base = rule.wait.get("from")
    if base == "answering":
        start = facts.answered_on
    else:
        question = facts.question(base, "date", "day")
        answer = facts.given.get(question.link_id)
        if answer is None:
            return True, None
        start = answer.value.counts_as(facts.answered_on)
    until = plus(start, period)
    return facts.on < until, until


def _ask_again_from(rule: Rule, facts: _Facts) -> date | None:
    if rule.ask_again is None:
        return None
    if not isinstance(rule.ask_again, Mapping) or set(rule.ask_again) - {"from", "years"}:
        raise RuleError(f"ask_again cannot be read: {rule.ask_again!r}")
    question = facts.question(rule.ask_again.get("from"), "date", "day")
    years = rule.ask_again.get("years")
    if years is not None:
        if isinstance(years, bool) or not isinstance(years, int) or not 0 < years < 150:
            raise RuleError("ask_again: years is a whole number")
        days = [birthday(birth, years) for birth in facts.births]
        return max(days, default=None)
    answer = facts.given.get(question.link_id)
    return answer.value.counts_as(facts.answered_on) if answer else None


def _speak(rule: Rule, facts: _Facts) -> Finding | None:
    """The rule's finding, or None. Raises RuleError (or anything else) when the rule is broken."""
    if rule.effect not in EFFECTS:
        raise RuleError(f"unknown effect {rule.effect!r}")
    if rule.override is not None and rule.override not in OVERRIDES:
        raise RuleError(f"unknown override {rule.override!r}")
    for need in rule.needs:
        if need not in NEEDS:
            raise RuleError(f"unknown need {need!r}")
    matched = _matches(rule.when, facts)
    speaks, until = _wait_until(rule, facts)
    again = _ask_again_from(rule, facts)
    if matched is None or not speaks:
        return None
    items = {facts.questionnaire.item_of(link_id) for link_id in matched}
    return Finding(
        rule=rule.id,
        effect=rule.effect,
        questions=tuple(q.link_id for q in facts.questionnaire.questions if q.link_id in items),
        until=until,
        override=rule.override,
        needs=tuple(rule.needs),
        ask_again_from=again,
        title=rule.title,
        reason=rule.reason,
        advice=rule.advice,
        rationale=rule.rationale,
        source=rule.source,
        override_condition=rule.override_condition,
        anchor=rule.anchor,
    )


def _speak_or_block(rule: Rule, facts: _Facts) -> Finding | None:
    try:
        return _speak(rule, facts)
    except Exception as error:  # noqa: BLE001 - any error in a rule blocks, whatever it is (R6)
        return _check_finding(
            CHECK_BROKEN, rule=str(rule.id), effect="contraindicated", override="O0", details=(f"{error}",)
        )


def _worst_key(finding: Finding) -> tuple[int, bool, date]:
    return _SEVERITY[finding.effect], finding.until is None, finding.until or date.max


def _left_open(rules, facts: _Facts, question: Question, spoken: set[str]) -> list[Finding]:
    """What the missing follow-up, or a follow-up of its own, could have led to: the worst finding about its own item,
    and each together with other items. Of one worst of all, a second trigger would hide the first."""
    left_open, grew = {question.link_id}, True
    while grew:
        more = {q.link_id for q in facts.questionnaire.questions if q.parent in left_open} - left_open
        left_open |= more
        grew = bool(more)
    left_open -= set(facts.given)
    guess = replace(facts, open=frozenset(left_open))
    reachable = []
    for rule in rules:
        if rule.id in spoken:
            continue
        finding = _speak_or_block(rule, guess)
        if finding is not None and not finding.is_note:
            reachable.append(finding)
    own = [finding for finding in reachable if len(finding.questions) <= 1]
    worst = [max(own, key=_worst_key)] if own else []  # the first of equals, in the order of the rules
    together = [finding for finding in reachable if len(finding.questions) > 1]
    return [replace(finding, missing=(question.link_id,)) for finding in worst + together]


# ---------------------------------------------------------------- the assessment


def _as_day(value: Any, name: str) -> date:
    if isinstance(value, datetime):
        raise TypeError(f"{name} must be a local date, not a moment")
    if not isinstance(value, date):
        raise TypeError(f"{name} must be a date")
    return value


def assess(
    questionnaire: Questionnaire,
    answers: Any,
    *,
    on: date,
    answered_on: date | None = None,
    known_birth_date: date | None = None,
) -> Assessment:
    """What the rules of `questionnaire` say about `answers` for a treatment on `on`.

    answers          JSON values by link_id, as ANSWERS lists them. Anything at all may be in it: nothing raises.
    on               local date of the planned treatment. Waits and ages are worked out for this day.
    answered_on      local date on which the answers were given; `on` when left out.
    known_birth_date the birth date on the account, if there is one; when the answer differs both are read.

    Raises TypeError only when `on`, `answered_on` or `known_birth_date` is not a date. Writes nothing.
    """
    on = _as_day(on, "on")
    answered_on = on if answered_on is None else _as_day(answered_on, "answered_on")
    if known_birth_date is not None:
        known_birth_date = _as_day(known_birth_date, "known_birth_date")

    given, unreadable = _read_all(questionnaire, answers)
    missing = _missing(questionnaire, given, {link_id for link_id, _ in unreadable})
    births, differs = _births(questionnaire, given, known_birth_date)
    facts = _Facts(questionnaire, given, on, answered_on, births)

    findings: list[Finding] = []
    if not questionnaire.rules:
        findings.append(_check_finding(CHECK_NO_RULES, effect="contraindicated", override="O0"))
    try:
        faults = questionnaire.faults
    except Exception as error:  # noqa: BLE001 - a questionnaire too broken to be checked
        faults = (str(error),)
    if faults:
        findings.append(_check_finding(CHECK_BROKEN, effect="contraindicated", override="O0", details=faults))
    findings += _check_answers(questionnaire, given, unreadable, answered_on, differs)

    # Rules that count other findings come after all the others have spoken.
    plain, counting = questionnaire.rules_apart
    spoken: set[str] = set()

    def keep(finding: Finding | None) -> None:
        if finding is not None:
            spoken.add(finding.rule)
            findings.append(finding)

    for rule in plain:
        keep(_speak_or_block(rule, facts))
    for link_id in missing:
        question = questionnaire.by_link_id[link_id]
        if question.is_follow_up and question.required:
            for finding in _left_open(plain, facts, question, spoken):
                keep(finding)
    single = tuple(finding for finding in _split_by_item(findings) if len(finding.questions) == 1)
    facts = replace(facts, findings=single)
    for rule in counting:
        keep(_speak_or_block(rule, facts))

    order = {rule.id: place for place, rule in enumerate(questionnaire.rules)}
    findings.sort(key=lambda finding: (-_SEVERITY[finding.effect], order.get(finding.rule, -1)))
    worst = findings[0].effect if findings else "none"
    incomplete = tuple(dict.fromkeys([*missing, *(link_id for link_id, _ in unreadable)]))
    if incomplete and worst not in BLOCKING:
        worst = INCOMPLETE

    earliest = None
    if worst == "defer" and not incomplete:  # a form with a gap offers no day, whatever its waits say
        waits = [finding for finding in findings if finding.effect == "defer"]
        untils = [finding.until for finding in waits if finding.until]
        if len(untils) == len(waits):
            earliest = max(untils)
    return Assessment(worst, earliest, incomplete, tuple(findings), on, answered_on, tuple(unreadable))


def _missing(questionnaire: Questionnaire, given: Mapping[str, _Given], unreadable: set[str]) -> list[str]:
    """Required questions that were asked and have no usable answer, in order. An answer that was given but cannot be
    read counts here too, optional or not: somebody meant something by it."""
    missing = []
    for question in questionnaire.questions:
        answer = given.get(question.link_id)
        if answer is not None and answer.usable:
            continue
        if question.link_id in unreadable or (question.required and _is_asked(question, given)):
            missing.append(question.link_id)
    return missing


def _births(questionnaire, given, known: date | None) -> tuple[tuple[date, ...], str]:
    """(birth dates to reckon with, the link_id whose answer differs from the known one, if any)."""
    births, differs = ([known] if known else []), ""
    for question in questionnaire.questions:
        answer = given.get(question.link_id)
        if question.kind == "day" and question.tense == "past" and not question.parent and answer is not None:
            if answer.value.first not in births:
                births.append(answer.value.first)
            if known and answer.value.first != known:
                differs = question.link_id
    return tuple(births), differs


def _check_answers(questionnaire, given, unreadable, answered_on, differs) -> list[Finding]:
    """Findings about the answers themselves: dates in the future, contradictions, a strange birth date or number."""
    future, clash, clash_details = [], [], []
    for question in questionnaire.questions:
        link_id, answer = question.link_id, given.get(question.link_id)
        if answer is None:
            continue
        value = answer.value
        # An unknown date may mean any day, so it is never in the future.
        if isinstance(value, GivenDate) and question.tense == "past" and value.first > answered_on:
            future.append(link_id)
        if isinstance(value, tuple) and len(value) > 1 and any(code in question.exclusive for code in value):
            clash.append(link_id)
            clash_details.append(f"{link_id}: {', '.join(value)}")
        # A follow-up that its parent's answer does not call for. A parent that is just missing is reported as missing.
        if question.parent and not _is_asked(question, given):
            parent = questionnaire.by_link_id.get(question.parent)
            if question.parent in given or parent is None or parent.parent or not parent.required:
                clash.append(link_id)
                clash_details.append(f"{link_id} is answered, though {question.parent} does not call for it")

    def items(link_ids):
        found = {questionnaire.item_of(link_id) for link_id in link_ids}
        return [question.link_id for question in questionnaire.questions if question.link_id in found]

    findings = []
    if future:
        findings.append(
            _check_finding(CHECK_FUTURE_DATE, effect="review", override="O1", questions=items(future), details=future)
        )
    if clash:
        findings.append(
            _check_finding(
                CHECK_CONTRADICTION, effect="review", override="O1", questions=items(clash), details=clash_details
            )
        )
    if differs:
        findings.append(
            _check_finding(CHECK_BIRTH_DATE, effect="review", override="O1", questions=[differs], details=[differs])
        )
    numbers = [link_id for link_id, fault in unreadable if fault == "number not possible"]
    if numbers:
        findings.append(
            _check_finding(CHECK_NUMBER, effect="review", override="O1", questions=items(numbers), details=numbers)
        )
    return findings


def _split_by_item(findings):
    """A check of the answers can touch several items in one finding; for counting, each of them is one."""
    for finding in findings:
        if finding.rule in _CHECK_WORDS:
            yield from (replace(finding, questions=(item,)) for item in finding.questions)
        else:
            yield finding


# ---------------------------------------------------------------- the self-check (H02)


@dataclass(frozen=True)
class Fault:
    """One thing wrong: `where` is "questionnaire", "section", "question" or "rule", `name` its id."""

    where: str
    name: str
    what: str

    @property
    def text(self) -> str:
        return f"{self.where} {self.name}: {self.what}" if self.name else self.what


def find_faults(questionnaire: Questionnaire) -> list[Fault]:
    """Everything wrong with a questionnaire, with its place; empty when it may be used.

    Every answer of every choice question leads to a rule or is named as leading to nothing; every rule can be read and
    names only questions and answers that exist; effects, overrides, needs, waits and parents are known; ids are unique.
    """
    faults: list[Fault] = []
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", questionnaire.name):
        faults.append(Fault("questionnaire", "", "the questionnaire needs a name of small letters, digits and hyphens"))
    if not questionnaire.rules:
        faults.append(Fault("questionnaire", "", "the questionnaire has no rules"))
    if not questionnaire.questions:
        faults.append(Fault("questionnaire", "", "the questionnaire has no questions"))
    faults += _repeated("section", [section.code for section in questionnaire.sections])
    faults += _repeated("question", [question.link_id for question in questionnaire.questions])
    faults += _repeated("rule", [rule.id for rule in questionnaire.rules])
    sections = {section.code for section in questionnaire.sections}
    seen: dict[str, Question] = {}
    for question in questionnaire.questions:
        faults += [Fault("question", question.link_id, what) for what in _question_faults(question, sections, seen)]
        seen[question.link_id] = question

    answers: set[tuple[str, str]] = set()
    looked_at: set[str] = set()
    blank = _Facts(questionnaire, {}, date(2000, 1, 1), date(2000, 1, 1), (date(1970, 1, 1),))
    for rule in questionnaire.rules:
        if rule.id in _CHECK_WORDS:
            faults.append(Fault("rule", rule.id, "the id is kept for the checks of the answers"))
        try:
            _speak(rule, blank)
        except Exception as error:  # noqa: BLE001 - told, not raised
            faults.append(Fault("rule", str(rule.id), str(error)))
            continue
        faults += [Fault("rule", rule.id, what) for what in _rule_faults(rule)]
        named, questions = _named(rule.when)
        # Only what a rule says about one item by itself covers an answer: a combination needs a second answer.
        if rule.effect != "none" and len({questionnaire.item_of(link_id) for link_id in questions}) == 1:
            answers |= named
            looked_at |= questions

    def leads(question: Question, code: str) -> bool:
        if (question.link_id, code) in answers:
            return True
        return any(
            follow_up.link_id in looked_at or any(leads(follow_up, further) for further in follow_up.codes)
            for follow_up in questionnaire.follow_ups(question.link_id)
            if follow_up.required and code in follow_up.parent_codes
        )

    if any(fault.where == "question" for fault in faults):
        return faults  # the tree of questions does not hold together: nothing can be followed
    for question in questionnaire.questions:
        for code in question.codes:
            listed = code in question.no_finding
            if not listed and not leads(question, code):
                what = f"the answer {code} leads to no rule and is not in no_finding"
                faults.append(Fault("question", question.link_id, what))
            if listed and (question.link_id, code) in answers:
                faults.append(Fault("question", question.link_id, f"the answer {code} is in no_finding and in a rule"))
    return faults


def _repeated(where: str, names: list[str]) -> list[Fault]:
    return [Fault(where, name, "is there twice") for name in dict.fromkeys(n for n in names if names.count(n) > 1)]


def _question_faults(question: Question, sections: set[str], seen: Mapping[str, Question]):
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", question.link_id):
        yield "a link_id is small letters, digits and hyphens"
    if not question.text.strip():
        yield "has no text"
    if question.section not in sections:
        yield f"unknown section {question.section}"
    if question.kind not in KINDS:
        yield f"unknown kind {question.kind}"
    if question.tense not in ("past", "future"):
        yield f"unknown tense {question.tense}"
    if question.reaches_back is not None:
        if question.kind != "date" or question.tense != "past":
            yield "only a date in the past can have reaches_back"
        try:
            _period(question.reaches_back)
        except RuleError as error:
            yield f"reaches_back: {error}"
    is_choice = question.kind in ("choice", "choices")
    if is_choice and not question.choices:
        yield "has no choices"
    if not is_choice and question.choices:
        yield "has choices, but is no choice question"
    for code in question.codes:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code):
            yield f"answer {code}: a code is small letters, digits and hyphens"
        if question.codes.count(code) > 1:
            yield f"the answer {code} is there twice"
    for name in ("no_finding", "exclusive", "urgent_codes"):
        for code in getattr(question, name):
            if code not in question.codes:
                yield f"{name}: there is no answer {code}"
    if question.parent:
        parent = seen.get(question.parent)
        if parent is None:
            yield f"its parent {question.parent} does not come before it"
        else:
            if parent.section != question.section:
                yield "is in another section than its parent"
            for code in question.parent_codes:
                if code not in parent.codes:
                    yield f"its parent {parent.link_id} has no answer {code}"
            if not question.parent_codes and parent.kind in ("choice", "choices"):
                yield "does not say under which answers of its parent it is asked"
    elif question.parent_codes:
        yield "has parent_codes, but no parent"


def _rule_faults(rule: Rule):
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id):
        yield "a rule's id is small letters, digits and hyphens"
    if rule.effect in ("review", *BLOCKING) and rule.override is None:
        yield f"an effect of {rule.effect} needs an override (O0, O1 or O2)"
    if rule.effect in ("none", "advise") and rule.override is not None:
        yield f"there is nothing to override in an effect of {rule.effect}"
    if rule.wait is not None and rule.effect != "defer":
        yield "only a defer can have a wait"
    if not rule.title.strip() or not rule.reason.strip():
        yield "needs a title and a reason in the patient's words"
    if rule.effect in ("review", *BLOCKING) and not rule.advice.strip():
        yield "needs advice: what the patient can do, or what has to change"


def _named(condition: Any) -> tuple[set[tuple[str, str]], set[str]]:
    """The (question, code) pairs and the questions that a readable condition looks at; counting looks at none."""
    if "answer" in condition:
        return {(condition["answer"], code) for code in condition["is"]}, {condition["answer"]}
    for operator in ("date", "number", "age"):
        if operator in condition:
            return set(), {condition[operator]}
    pairs: set[tuple[str, str]] = set()
    questions: set[str] = set()
    for part in [*condition.get("all", ()), *condition.get("any", ())]:
        more_pairs, more_questions = _named(part)
        pairs |= more_pairs
        questions |= more_questions
    return pairs, questions
