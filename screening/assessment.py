"""What the clinic's rules say about one set of answers on one date.

Pure: no database, no clock, no request. A questionnaire comes in as frozen dataclasses (from a definition file or from
the rows of the database), answers as plain JSON values, dates as `datetime.date` of the clinic's local calendar.

It fails closed. Whatever is missing, unknown, unreadable, contradictory or broken makes the outcome worse, never
milder, and nothing that can be put into `answers` raises. An outcome of "none" is not clearance: a clinician decides.

Effects, worst first: contraindicated, defer, review, advise, none. "incomplete" blocks like contraindicated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from screening.answers import Given, is_asked, read_answers
from screening.conditions import Facts, Finding, speak
from screening.questionnaires import (
    BLOCKING,
    CHECK_BIRTH_DATE,
    CHECK_BROKEN,
    CHECK_CONTRADICTION,
    CHECK_FUTURE_DATE,
    CHECK_NO_RULES,
    CHECK_NUMBER,
    EFFECTS,
    NEEDS,
    GivenDate,
    Question,
    Questionnaire,
    Rule,
)
from screening.self_check import faults_of

INCOMPLETE = "incomplete"

_SEVERITY = {effect: rank for rank, effect in enumerate(EFFECTS)}


def gettext_noop(text: str) -> str:
    """Mark an English sentence for translation, without Django, whose own mark needs settings."""
    return text


_OUR_FAULT = (
    gettext_noop("a fault on our side"),
    gettext_noop("We cannot check your answers at the moment. The fault is ours."),
    gettext_noop("Please call us. We will sort it out with you."),
)
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
    CHECK_NO_RULES: (*_OUR_FAULT, "The questionnaire has no rules, so nothing can be assessed."),
    CHECK_BROKEN: (*_OUR_FAULT, "The questionnaire or one of its rules is faulty, so its silence means nothing."),
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


def assess(
    questionnaire: Questionnaire,
    answers: Any,
    *,
    on: date,
    answered_on: date | None = None,
    known_birth_date: date | None = None,
) -> Assessment:
    """What the rules of `questionnaire` say about `answers` for a treatment on `on`.

    answers          JSON values by link_id. Anything at all may be in it: nothing raises.
    on               local date of the planned treatment. Waits and ages are worked out for this day.
    answered_on      local date on which the answers were given; `on` when left out.
    known_birth_date the birth date on the account, if there is one; when the answer differs both are read.

    Raises TypeError only when `on`, `answered_on` or `known_birth_date` is not a date. Writes nothing.
    """
    on = _as_day(on, "on")
    answered_on = on if answered_on is None else _as_day(answered_on, "answered_on")
    if known_birth_date is not None:
        known_birth_date = _as_day(known_birth_date, "known_birth_date")

    given, unreadable = read_answers(questionnaire, answers)
    missing = _missing(questionnaire, given, {link_id for link_id, _ in unreadable})
    births, differs = _births(questionnaire, given, known_birth_date)
    facts = Facts(questionnaire, given, on, answered_on, births)
    findings = [
        *_check_questionnaire(questionnaire),
        *_check_answers(questionnaire, given, unreadable, answered_on, differs),
    ]
    findings += _ask_rules(facts, missing, findings)
    order = {rule.id: place for place, rule in enumerate(questionnaire.rules)}
    findings.sort(key=lambda finding: (-_SEVERITY[finding.effect], order.get(finding.rule, -1)))
    worst = findings[0].effect if findings else "none"
    incomplete = tuple(dict.fromkeys([*missing, *(link_id for link_id, _ in unreadable)]))
    if incomplete and worst not in BLOCKING:
        worst = INCOMPLETE
    # A form with a gap offers no day, whatever its waits say.
    earliest = _end_of_waits(findings) if worst == "defer" and not incomplete else None
    return Assessment(worst, earliest, incomplete, tuple(findings), on, answered_on, tuple(unreadable))


def _as_day(value: Any, name: str) -> date:
    if isinstance(value, datetime):
        raise TypeError(f"{name} must be a local date, not a moment")
    if not isinstance(value, date):
        raise TypeError(f"{name} must be a date")
    return value


def _end_of_waits(findings: list[Finding]) -> date | None:
    """The day on which the last wait ends; None where one of them has no end."""
    untils = [finding.until for finding in findings if finding.effect == "defer"]
    return None if None in untils else max(until for until in untils if until)


def _missing(questionnaire: Questionnaire, given: Mapping[str, Given], unreadable: set[str]) -> list[str]:
    """Required questions that were asked and have no usable answer, in order. An answer that was given but cannot be
    read counts here too, optional or not: somebody meant something by it."""
    missing = []
    for question in questionnaire.questions:
        answer = given.get(question.link_id)
        if answer is not None and answer.usable:
            continue
        if question.link_id in unreadable or (question.required and is_asked(question, given)):
            missing.append(question.link_id)
    return missing


def _births(questionnaire, given, known: date | None) -> tuple[tuple[date, ...], list[str]]:
    """(birth dates to reckon with, the link_id whose answer differs from the known one, if any)."""
    births, differs = ([known] if known else []), []
    for question in questionnaire.questions:
        answer = given.get(question.link_id)
        if question.kind == "day" and question.tense == "past" and not question.parent and answer is not None:
            if answer.value.first not in births:
                births.append(answer.value.first)
            if known and answer.value.first != known:
                differs = [question.link_id]
    return tuple(births), differs


# ---------------------------------------------------------------- checks


def _check_finding(check: str, *, questions=(), details=(), rule: str = "") -> Finding:
    """What is wrong with the answers is looked at by a clinician; a fault of ours nobody can look past."""
    title, reason, advice, rationale = _CHECK_WORDS[check]
    ours = check in (CHECK_NO_RULES, CHECK_BROKEN)
    return Finding(
        rule=rule or check,
        effect="contraindicated" if ours else "review",
        questions=tuple(questions),
        override="O0" if ours else "O1",
        details=tuple(details),
        title=title,
        reason=reason,
        advice=advice,
        rationale=rationale,
    )


def _check_questionnaire(questionnaire: Questionnaire) -> list[Finding]:
    """Findings about the questionnaire itself: with any of these nobody may rely on what its rules do not say."""
    try:
        faults = faults_of(questionnaire)
    except Exception as error:  # noqa: BLE001 - a questionnaire too broken to be checked
        faults = (str(error),)
    no_rules = [] if questionnaire.rules else [_check_finding(CHECK_NO_RULES)]
    return no_rules + ([_check_finding(CHECK_BROKEN, details=faults)] if faults else [])


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
        if question.parent and not is_asked(question, given):
            parent = questionnaire.by_link_id.get(question.parent)
            if question.parent in given or parent is None or parent.parent or not parent.required:
                clash.append(link_id)
                clash_details.append(f"{link_id} is answered, though {question.parent} does not call for it")

    def items(link_ids):
        found = {questionnaire.item_of(link_id) for link_id in link_ids}
        return [question.link_id for question in questionnaire.questions if question.link_id in found]

    numbers = [link_id for link_id, fault in unreadable if fault == "number not possible"]
    checks = (
        (CHECK_FUTURE_DATE, future, future),
        (CHECK_CONTRADICTION, clash, clash_details),
        (CHECK_BIRTH_DATE, differs, differs),
        (CHECK_NUMBER, numbers, numbers),
    )
    return [_check_finding(check, questions=items(about), details=said) for check, about, said in checks if said]


# ---------------------------------------------------------------- rules


def _ask_rules(facts: Facts, missing: list[str], checks: list[Finding]) -> list[Finding]:
    """What the rules find, the ones that count findings after all the others have spoken."""
    plain, counting = facts.questionnaire.rules_apart
    found = [finding for rule in plain if (finding := _speak_or_block(rule, facts))]
    for link_id in missing:
        question = facts.questionnaire.by_link_id[link_id]
        if question.is_follow_up and question.required:
            found += _left_open(plain, facts, question, {finding.rule for finding in found})
    single = tuple(finding for finding in _split_by_item([*checks, *found]) if len(finding.questions) == 1)
    facts = replace(facts, findings=single)
    return found + [finding for rule in counting if (finding := _speak_or_block(rule, facts))]


def _speak_or_block(rule: Rule, facts: Facts) -> Finding | None:
    try:
        return speak(rule, facts)
    except Exception as error:  # noqa: BLE001 - any error in a rule blocks, whatever it is (R6)
        return _check_finding(CHECK_BROKEN, rule=str(rule.id), details=(f"{error}",))


def _worst_key(finding: Finding) -> tuple[int, bool, date]:
    return _SEVERITY[finding.effect], finding.until is None, finding.until or date.max


def _left_open(rules, facts: Facts, question: Question, spoken: set[str]) -> list[Finding]:
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


def _split_by_item(findings):
    """A check of the answers can touch several items in one finding; for counting, each of them is one."""
    for finding in findings:
        if finding.rule in _CHECK_WORDS:
            yield from (replace(finding, questions=(item,)) for item in finding.questions)
        else:
            yield finding
