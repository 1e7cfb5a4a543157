"""When a rule speaks, and for how long.

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

Pure. Whatever cannot be read raises, and blocks (`screening.assessment`): silence would read as "no".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from clinic.ages import age_on, birthday
from screening.answers import Given
from screening.questionnaires import (
    BLOCKING,
    EFFECTS,
    NEEDS,
    OVERRIDES,
    GivenDate,
    Question,
    Questionnaire,
    Rule,
    RuleError,
    plus,
    read_period,
)

_DATE_WINDOWS = ("within", "from", "up_to", "older_than", "further_than")


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
class Facts:
    """Everything a condition may look at."""

    questionnaire: Questionnaire
    given: Mapping[str, Given]
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


def _matches(condition: Any, facts: Facts) -> frozenset[str] | None:
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
        read_period(period)
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


# ---------------------------------------------------------------- rules


def _wait_until(rule: Rule, facts: Facts) -> tuple[bool, date | None]:
    """(does the rule still speak on the treatment date, until when). No date known to count from: for ever."""
    if rule.wait is None:
        return True, None
    if not isinstance(rule.wait, Mapping) or set(rule.wait) - {"from", "days", "weeks", "months"}:
        raise RuleError(f"wait cannot be read: {rule.wait!r}")
    period = {key: value for key, value in rule.wait.items() if key != "from"}
    read_period(period)
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


def _ask_again_from(rule: Rule, facts: Facts) -> date | None:
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


def speak(rule: Rule, facts: Facts) -> Finding | None:
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
