"""A definition that cannot be used says so, with every error and its line."""

from dataclasses import asdict

import pytest

from screening import definition
from screening.definition import DefinitionError

GOOD = """\
name: small
version: 3
title: A small one
sections:
  - code: only
    title: Only step
    questions:
      - link_id: keloid
        text: Keloid?
        kind: choice
        choices:
          "yes": "Yes"
          "no": "No"
        no_finding: ["no"]
        name: keloid scars
        rationale: Because.
        source: U
        anchor: who-should-wait#keloid
        rules:
          - id: keloid-yes
            when: ["yes"]
            effect: contraindicated
            override: O2
            reason: It is so.
            advice: Talk with us.
"""


def errors_of(text):
    with pytest.raises(DefinitionError) as raised:
        definition.parse(text, where="small.yaml")
    return raised.value.errors


def test_a_small_definition_is_read_whole():
    questionnaire = definition.parse(GOOD)

    (rule,) = questionnaire.rules
    assert (questionnaire.name, questionnaire.version, questionnaire.purpose) == ("small", 3, "screening")
    assert rule.when == {"answer": "keloid", "is": ["yes"]}
    assert (rule.title, rule.rationale, rule.source) == ("keloid scars", "Because.", "U")
    assert type(rule.when["is"]) is list
    assert type(rule.when["is"][0]) is str


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('when: ["yes"]', "when: {answer: keloids, is: [yes]}", 20, "rule keloid-yes: unknown question keloids"),
        ('when: ["yes"]', "when: [maybe]", 20, "rule keloid-yes: keloid has no answer maybe"),
        ('when: ["yes"]', "when: {unless: keloid}", 20, "rule keloid-yes: a condition has exactly one of"),
        ('when: ["yes"]', "when: often", 21, "rule keloid-yes: when is a condition"),
        ("effect: contraindicated", "effect: terrible", 20, "rule keloid-yes: unknown effect 'terrible'"),
        ("override: O2", "override: O7", 20, "rule keloid-yes: unknown override 'O7'"),
        ("override: O2", "overide: O2", 23, "rule keloid-yes: unknown key overide"),
        ("override: O2", "override: O2\n            needs: [nurse]", 20, "rule keloid-yes: unknown need 'nurse'"),
        ("override: O2", "override: O2\n            needs: prescriber", 24, "rule keloid-yes: needs is a list"),
        ("            reason: It is so.\n", "", 20, "rule keloid-yes: needs a title and a reason"),
        ("kind: choice", "kind: chioce", 8, "question keloid: unknown kind chioce"),
        ('no_finding: ["no"]', "no_finding: []", 8, "question keloid: the answer no leads to no rule"),
        ('no_finding: ["no"]', 'no_finding: ["no", "yes"]', 8, "question keloid: the answer yes is in no_finding"),
        ('no_finding: ["no"]', "no_finding: [nope]", 8, "question keloid: no_finding: there is no answer nope"),
        ("text: Keloid?", "txt: Keloid?", 9, "question keloid: unknown key txt"),
        ("text: Keloid?", "text: 5", 9, "question keloid: text is a text"),
        ("version: 3", 'version: "three"', 2, "version is a whole number"),
        ("version: 3", "version: 0", 2, "version is a whole number"),
        ("name: small", "name: Not A Slug", 1, "needs a name of small letters"),
        ("title: A small one", "titel: A small one", 3, "unknown key titel"),
        ("code: only", "code: only\n    code: twice", 6, "duplicate key"),
        ('"no": "No"', "no-label:", 13, "answer no-label: code and label are texts"),
        ("kind: choice", "kind: choice\n        required: maybe", 11, "question keloid: required is true or false"),
        ("kind: choice", "kind: choice\n        reaches_back: {months: 1}", 8, "only a date in the past can have"),
        (
            "kind: choice",
            "kind: date\n        reaches_back: {moons: 1}",
            8,
            "question keloid: reaches_back: not a period",
        ),
        ("    title: Only step", "    title: [", 8, "expected"),
    ],
)
def test_an_error_names_the_file_the_line_and_what_is_wrong(old, new, line, what):
    assert old in GOOD

    errors = errors_of(GOOD.replace(old, new, 1))

    assert any(error.startswith(f"small.yaml: line {line}: ") and what in error for error in errors), errors


def test_all_errors_are_told_at_once():
    text = GOOD.replace("effect: contraindicated", "efect: contraindicated").replace("kind: choice", "kin: choice")

    assert len([error for error in errors_of(text) if "unknown key" in error]) == 2


def test_a_question_or_a_rule_twice_is_an_error():
    question = GOOD[GOOD.index("      - link_id") :]

    errors = errors_of(GOOD + question)

    assert any("question keloid: is there twice" in error for error in errors)
    assert any("rule keloid-yes: is there twice" in error for error in errors)


@pytest.mark.parametrize(
    ("follow_up", "what"),
    [
        ("{link_id: keloid-where, when: [maybe], text: Where?, kind: text}", "its parent keloid has no answer maybe"),
        ("{link_id: keloid-where, text: Where?, kind: text}", "does not say under which answers"),
        ("{link_id: keloid-where, when: [], text: Where?, kind: text}", "when is a list of answers"),
        ("{link_id: keloid-how, when: ['yes'], text: How?, kind: choice, choices: {a: A}}", "the answer a leads to no"),
    ],
)
def test_a_follow_up_belongs_to_an_answer_that_exists(follow_up, what):
    text = GOOD.replace("        rules:", f"        follow_ups:\n          - {follow_up}\n        rules:", 1)

    assert any(what in error for error in errors_of(text))


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- b", "5", "name: [unclosed", "a: b: c", "\x00", "&a [*a]", "{}"]
)
def test_what_is_no_definition_is_an_error_and_no_crash(text):
    assert errors_of(text)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    for path in (tmp_path, tmp_path / "none.yaml", tmp_path / "latin.yaml"):
        with pytest.raises(DefinitionError, match="cannot be read"):
            definition.load(path)


def test_data_with_unknown_keys_is_no_questionnaire():
    data = asdict(definition.parse(GOOD))

    assert definition.from_dict(data) == definition.parse(GOOD)
    for spoilt in ({**data, "more": 1}, {**data, "rules": [{"id": "x"}]}, {**data, "questions": None}, {}):
        with pytest.raises(DefinitionError):
            definition.from_dict(spoilt)


def test_words_too_long_for_the_database_are_an_error_with_a_line():
    errors = errors_of(GOOD.replace("text: Keloid?", "text: " + "x" * 501))

    assert errors == ["small.yaml: line 9: question keloid: text is longer than 500 characters"]
