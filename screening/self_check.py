"""Whether a questionnaire holds together (H02): asked before it is kept, and again in every assessment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from screening.conditions import Facts, speak
from screening.questionnaires import BLOCKING, CHECKS, KINDS, Question, Questionnaire, Rule, RuleError, read_period


@dataclass(frozen=True)
class Fault:
    """One thing wrong: `where` is "questionnaire", "section", "question" or "rule", `name` its id."""

    where: str
    name: str
    what: str

    @property
    def text(self) -> str:
        return f"{self.where} {self.name}: {self.what}" if self.name else self.what


def faults_of(questionnaire: Questionnaire) -> tuple[str, ...]:
    """What `find_faults` finds, in words. Looked for once in each questionnaire, which never changes: it takes longer
    than the assessment that asks. An error is not kept, so that the next who asks meets it too."""
    kept = vars(questionnaire)  # where its cached properties are
    if "_faults" not in kept:
        kept["_faults"] = tuple(fault.text for fault in find_faults(questionnaire))
    return kept["_faults"]


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
    blank = Facts(questionnaire, {}, date(2000, 1, 1), date(2000, 1, 1), (date(1970, 1, 1),))
    for rule in questionnaire.rules:
        if rule.id in CHECKS:
            faults.append(Fault("rule", rule.id, "the id is kept for the checks of the answers"))
        try:
            speak(rule, blank)
        except Exception as error:  # noqa: BLE001 - told, not raised
            faults.append(Fault("rule", str(rule.id), str(error)))
            continue
        faults += [Fault("rule", rule.id, what) for what in _rule_faults(rule)]
        codes, questions = named(rule.when)
        # Only what a rule says about one item by itself covers an answer: a combination needs a second answer.
        if rule.effect != "none" and len({questionnaire.item_of(link_id) for link_id in questions}) == 1:
            answers |= codes
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
            read_period(question.reaches_back)
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


def named(condition: Any) -> tuple[set[tuple[str, str]], set[str]]:
    """The (question, code) pairs and the questions that a readable condition looks at; counting looks at none."""
    if "answer" in condition:
        return {(condition["answer"], code) for code in condition["is"]}, {condition["answer"]}
    for operator in ("date", "number", "age"):
        if operator in condition:
            return set(), {condition[operator]}
    pairs: set[tuple[str, str]] = set()
    questions: set[str] = set()
    for part in [*condition.get("all", ()), *condition.get("any", ())]:
        more_pairs, more_questions = named(part)
        pairs |= more_pairs
        questions |= more_questions
    return pairs, questions
