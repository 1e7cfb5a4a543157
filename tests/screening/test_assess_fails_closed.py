"""Whatever cannot be read blocks, nothing put into answers raises, and a trigger never makes things milder."""

import json
import math
from collections import ChainMap
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from screening.assessment import assess
from screening.questionnaires import EFFECTS, Choice, Question, Questionnaire, Rule, Section
from screening.self_check import find_faults
from tests.screening.answers import HARMLESS, TODAY, ask, rules, shipped

RANK = {**{effect: rank for rank, effect in enumerate(EFFECTS)}, "incomplete": EFFECTS.index("review") + 0.5}


# ---------------------------------------------------------------- answers nobody can read

NONSENSE = [
    "nonsense",
    "YES",
    "yes ",
    True,
    False,
    0,
    1,
    -1,
    3.5,
    math.nan,
    math.inf,
    {},
    {"yes": "yes"},
    ["no", "maybe"],
    [["no"]],
    [None],
    [{}],
    [math.nan],
    "no\x00",
    "\ud800",
    "x" * 100_000,
    ["no"] * 5,
    b"no",
]


@pytest.mark.parametrize("link_id", sorted(HARMLESS))
def test_no_item_takes_nonsense_for_an_answer(link_id):
    for value in NONSENSE:
        result = ask({link_id: value})
        assert link_id in result.incomplete
        assert result.blocks
        assert link_id in dict(result.unreadable)
        json.dumps(result.as_dict())


def test_a_question_nobody_asked_blocks_and_is_named():
    result = ask({"keloids": "no"})

    assert (result.effect, result.incomplete, result.unreadable) == (
        "incomplete",
        ("keloids",),
        (("keloids", "no such question"),),
    )


@pytest.mark.parametrize("key", [None, 1, 2.5, True, (), ("a", 1), frozenset()])
def test_keys_that_are_no_texts_block(key):
    result = assess(shipped(), HARMLESS | {key: "no"}, on=TODAY)

    assert result.effect == "incomplete"
    assert len(result.incomplete) == 1
    json.dumps(result.as_dict())


@pytest.mark.parametrize("answers", [None, [], "yes", 5, True, math.nan, [HARMLESS], {1, 2}])
def test_answers_that_are_no_mapping_are_all_missing(answers):
    result = assess(shipped(), answers, on=TODAY)

    assert result.effect == "incomplete"
    assert set(result.incomplete) == set(HARMLESS)


def test_no_answers_at_all_are_all_missing():
    assert set(assess(shipped(), {}, on=TODAY).incomplete) == set(HARMLESS)


def test_a_fault_in_a_list_does_not_hide_what_else_is_in_it():
    result = ask({"treatment-area": ["face", "moon", "eyelid", None]})

    assert result.effect == "contraindicated"
    assert result.incomplete == ("treatment-area",)


@pytest.mark.parametrize(
    ("link_id", "value"), [("treatment-area", "eyelid"), ("keloid", ["yes"]), ("keloid", ["no", "yes"])]
)
def test_a_code_in_the_wrong_wrapping_still_triggers(link_id, value):
    result = ask({link_id: value})

    assert result.effect == "contraindicated"
    assert link_id in result.incomplete


def test_none_beside_another_code_is_reviewed_and_the_other_code_counts():
    result = ask({"recent-procedures": ["none", "filler"], "recent-procedures-filler-on": "2026-11-15"})

    assert {"answers-contradict", "filler-under-4-weeks"} == rules(result)
    assert result.effect == "defer"
    assert ask({"recent-procedures": ["none", "filler"]}).incomplete == ("recent-procedures-filler-on",)
    assert ask({"recent-procedures": ["none", "not-sure"]}).effect == "review"


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"keloid-where": "chest"}, set()),
        ({"isotretinoin-still": "yes"}, {"isotretinoin-still-taking"}),
        ({"isotretinoin-last-dose": "2026-11-01"}, {"isotretinoin-under-6-months"}),
        ({"pregnancy-due": "2027-03-01"}, {"pregnancy-yes"}),
        ({"blood-thinners-inr": 4}, {"blood-thinners-inr-over-3-5"}),
        ({"recent-procedures-filler-on": "2026-11-15"}, {"filler-under-4-weeks"}),
        ({"scar-type-growing": "yes"}, {"scar-type-growing"}),
        ({"eczema-last-flare": "2026-11-01"}, {"eczema-flare-under-12-months"}),
        ({"diabetes-hba1c-unit": "percent"}, set()),
    ],
)
def test_a_follow_up_that_was_not_asked_contradicts_and_still_counts(changes, more):
    assert rules(ask(changes)) == {"answers-contradict"} | more


def test_an_empty_follow_up_that_was_not_asked_is_nothing():
    for blank in (None, "", " ", []):
        assert ask({"keloid-where": blank, "isotretinoin-last-dose": blank}).effect == "none"


@pytest.mark.parametrize("number", [-1, 0, -math.inf, math.inf, math.nan, "4", True, [4], 10**400, {}])
def test_a_number_that_cannot_be_is_no_answer(number):
    result = ask({"blood-thinners": "yes", "blood-thinners-which": ["warfarin"], "blood-thinners-inr": number})

    assert "blood-thinners-inr" in result.incomplete
    assert result.blocks


def test_a_number_far_too_high_still_counts_as_high():
    result = ask({"blood-thinners": "yes", "blood-thinners-which": ["warfarin"], "blood-thinners-inr": 50})

    assert {"blood-thinners-inr-over-3-5", "number-not-possible"} <= rules(result)
    assert result.effect == "defer"


def test_an_inr_of_3_5_does_not_defer():
    for inr, effect in ((3.5, "review"), (3.50001, "defer"), (4, "defer"), (1, "review")):
        changes = {"blood-thinners": "yes", "blood-thinners-which": ["warfarin"], "blood-thinners-inr": inr}
        assert ask(changes).effect == effect


# ---------------------------------------------------------------- rules nobody can read

BROKEN = [
    {"effect": "fine"},
    {"effect": None},
    {"override": "O9"},
    {"needs": ("somebody",)},
    {"needs": "prescriber"},
    {"when": {}},
    {"when": None},
    {"when": "yes"},
    {"when": []},
    {"when": {"answer": "keloid"}},
    {"when": {"answer": "keloid", "is": "yes"}},
    {"when": {"answer": "keloid", "is": ["yess"]}},
    {"when": {"answer": "keloids", "is": ["yes"]}},
    {"when": {"answer": "keloid", "is": ["yes"], "not": True}},
    {"when": {"unless": "keloid"}},
    {"when": {"all": []}},
    {"when": {"any": {}}},
    {"when": {"answer": ["keloid"], "is": ["yes"]}},
    {"when": {"date": "keloid"}},
    {"when": {"date": "scar-healed-on", "within": {"months": 0}}},
    {"when": {"date": "scar-healed-on", "within": {"moons": 6}}},
    {"when": {"date": "scar-healed-on", "of": "yesterday"}},
    {"when": {"date": "scar-healed-on", "vague": False}},
    {"when": {"number": "blood-thinners-inr"}},
    {"when": {"number": "blood-thinners-inr", "over": "3.5"}},
    {"when": {"age": "age-date-of-birth"}},
    {"when": {"age": "scar-healed-on", "under": 18}},
    {"when": {"count": "answers", "at_least": 2}},
    {"when": {"count": "items", "effect": "bad", "at_least": 2}},
    {"when": {"count": "people", "at_least": 2}},
    {"when": {"count": "items", "effect": "review", "at_least": True}},
    {"wait": {"from": "scar-healed-on"}, "effect": "defer"},
    {"wait": {"from": "nowhere", "weeks": 2}, "effect": "defer"},
    {"wait": "2 weeks", "effect": "defer"},
    {"ask_again": {"from": "nowhere"}},
    {"ask_again": {"from": "pregnancy-due", "years": "18"}},
]


@pytest.mark.parametrize("fault", BROKEN)
def test_any_broken_rule_blocks_even_when_it_would_say_nothing(fault):
    questionnaire = shipped()
    place = next(i for i, rule in enumerate(questionnaire.rules) if rule.id == "keloid-yes")
    broken = replace(questionnaire.rules[place], **fault)
    spoilt = replace(questionnaire, rules=(*questionnaire.rules[:place], broken, *questionnaire.rules[place + 1 :]))

    result = assess(spoilt, HARMLESS, on=TODAY)

    assert result.effect == "contraindicated"
    assert {finding.override for finding in result.findings} == {"O0"}
    assert any(fault.name == "keloid-yes" for fault in find_faults(spoilt))
    json.dumps(result.as_dict())


def test_no_rules_at_all_block():
    result = assess(replace(shipped(), rules=()), HARMLESS, on=TODAY)

    assert result.effect == "contraindicated"
    assert "no-rules" in rules(result)


def test_an_option_renamed_under_a_rule_blocks():
    questionnaire = shipped()
    renamed = tuple(
        replace(q, choices=tuple(Choice("keloid", c.label) if c.code == "yes" else c for c in q.choices))
        if q.link_id == "keloid"
        else q
        for q in questionnaire.questions
    )

    assert assess(replace(questionnaire, questions=renamed), HARMLESS, on=TODAY).effect == "contraindicated"


def test_a_rule_taken_out_blocks_because_its_answer_leads_nowhere():
    questionnaire = shipped()
    for gone in ("keloid-yes", "cold-sores-now", "cancer-treatment-radiotherapy-area", "isotretinoin-still-taking"):
        fewer = replace(questionnaire, rules=tuple(rule for rule in questionnaire.rules if rule.id != gone))
        assert find_faults(fewer)
        assert assess(fewer, HARMLESS, on=TODAY).effect == "contraindicated"


def test_a_question_taken_out_blocks():
    questionnaire = shipped()
    fewer = replace(questionnaire, questions=tuple(q for q in questionnaire.questions if q.link_id != "pregnancy"))

    assert assess(fewer, HARMLESS, on=TODAY).effect == "contraindicated"


def test_a_questionnaire_of_nothing_blocks():
    nothing = Questionnaire("empty", 1, "Empty", (), (), ())

    assert assess(nothing, {}, on=TODAY).effect == "contraindicated"
    assert find_faults(nothing)


def test_a_loop_of_parents_ends():
    loop = Questionnaire(
        "loop",
        1,
        "Loop",
        (Section("s", "S"),),
        (
            Question("a", "s", "A?", "choice", choices=(Choice("x", "X"),), parent="b", parent_codes=("x",)),
            Question("b", "s", "B?", "choice", choices=(Choice("x", "X"),), parent="a", parent_codes=("x",)),
        ),
        (Rule("r", {"answer": "a", "is": ["x"]}, "review", "O1", title="t", reason="r", advice="a"),),
    )

    assert find_faults(loop)
    assert assess(loop, {"a": "x"}, on=TODAY).effect == "contraindicated"


# ---------------------------------------------------------------- anything at all

SETTINGS = settings(max_examples=150, deadline=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
LINK_IDS = [question.link_id for question in shipped().questions]
DAYS = st.dates(min_value=TODAY.replace(year=1900), max_value=TODAY.replace(year=2100))


def _some_answer(question):
    if question.codes and question.kind == "choice":
        return st.sampled_from(question.codes)
    if question.codes:
        return st.lists(st.sampled_from(question.codes), min_size=1, max_size=4)
    if question.kind == "number":
        return st.integers(0, 30) | st.floats(0, 30)
    if question.kind == "text":
        return st.text(min_size=1, max_size=10)
    days = st.dates(min_value=TODAY.replace(year=1930), max_value=TODAY.replace(year=2028)).map(str)
    if question.kind == "day":
        return days
    return days | days.map(lambda day: day[:7]) | days.map(lambda day: day[:4]) | st.just("unknown")


ANSWERS = st.fixed_dictionaries(
    {}, optional={question.link_id: _some_answer(question) for question in shipped().questions}
)


@SETTINGS
@given(answers=st.dictionaries(st.sampled_from(LINK_IDS) | st.text(max_size=10), JSON, max_size=40), on=DAYS, said=DAYS)
def test_nothing_that_json_can_hold_raises_or_gets_through(answers, on, said):
    result = assess(shipped(), answers, on=on, answered_on=said)

    json.dumps(result.as_dict())
    assert result.blocks


@SETTINGS
@given(changes=st.dictionaries(st.sampled_from(LINK_IDS), JSON, min_size=1, max_size=3))
def test_nothing_unreadable_passes(changes):
    result = ask(changes)

    for link_id, _ in result.unreadable:
        assert link_id in result.incomplete
        assert result.blocks


@SETTINGS
@given(answers=ANSWERS, on=DAYS, said=DAYS, known=st.none() | DAYS)
def test_any_answers_give_an_outcome_that_agrees_with_itself(answers, on, said, known):
    result = assess(shipped(), answers, on=on, answered_on=said, known_birth_date=known)

    worst = max((finding.effect for finding in result.findings), key=RANK.get, default="none")
    if result.incomplete and worst not in ("defer", "contraindicated"):
        assert result.effect == "incomplete"
    else:
        assert result.effect == worst
    assert len({finding.rule for finding in result.findings}) == len(result.findings)
    for finding in result.findings:
        assert finding.until is None or (finding.effect == "defer" and finding.until > on)
        assert finding.title
        assert finding.reason
    if result.earliest:
        assert result.effect == "defer"
        assert not result.incomplete
        assert result.earliest == max(f.until for f in result.findings if f.effect == "defer")


def _named(condition) -> set[tuple[str, str]]:
    """The answers, as (link_id, code), that a condition names."""
    found = {(condition["answer"], code) for code in condition.get("is", ())} if "answer" in condition else set()
    return found.union(*map(_named, [*condition.get("all", ()), *condition.get("any", ())]))


def _values(question) -> list:
    """Answers to one question: each code, or dates near and far and not known, or anything."""
    if question.codes:
        return [[code] for code in question.codes] if question.kind == "choices" else list(question.codes)
    if question.kind in ("day", "date"):
        days = [str(TODAY - timedelta(days=days)) for days in (2, 20, 60, 200, 300, 400, 4000)]
        return days if question.kind == "day" else [*days, "2026-11", "2026", "unknown"]
    return [question.minimum or 1] if question.kind == "number" else ["x"]


def _required(link_id, value):
    """The required follow-ups that an answer calls for."""
    codes = value if isinstance(value, list) else [value]
    return [
        question
        for question in shipped().questions
        if question.parent == link_id
        and question.required
        and (not question.parent_codes or any(code in question.parent_codes for code in codes))
    ]


def _filled(question, value) -> dict:
    """An answer with its required follow-ups, each answered with what means least, as far as that is known."""
    answers = {question.link_id: value}
    for follow_up in _required(question.link_id, value):
        values = _values(follow_up)
        mild = [v for v in values if (v[0] if isinstance(v, list) else v) in follow_up.no_finding]
        answers |= _filled(follow_up, (mild or values)[0])
    return answers


def _led_to(question) -> dict:
    """What has to be answered for a follow-up to be asked: its parents, with their other follow-ups."""
    if not question.is_follow_up:
        return {}
    parent = shipped().by_link_id[question.parent]
    code = question.parent_codes[0] if question.parent_codes else _values(parent)[0]
    return _led_to(parent) | _filled(parent, [code] if parent.kind == "choices" else code)


def _trigger(link_id, code) -> dict:
    question = shipped().by_link_id[link_id]
    return _led_to(question) | _filled(question, [code] if question.kind == "choices" else code)


def _item(trigger) -> str:
    return shipped().item_of(next(iter(trigger)))


# Every code that a rule names or that leads to something by its follow-ups, with what is asked because of it.
NAMED = set().union(*(_named(rule.when) for rule in shipped().rules))
LEADING = {(q.link_id, code) for q in shipped().questions for code in q.codes if code not in q.no_finding}
TRIGGERS = [_trigger(link_id, code) for link_id, code in sorted(NAMED | LEADING)]


def test_the_triggers_are_whole_and_as_many_as_there_are():
    assert len(TRIGGERS) > 120
    assert not any(ask(trigger).incomplete for trigger in TRIGGERS)


def _badness(result):
    earliest = result.earliest.toordinal() if result.earliest else math.inf
    return RANK[result.effect], earliest if result.effect == "defer" else 0


@SETTINGS
@given(picked=st.lists(st.sampled_from(TRIGGERS), unique_by=_item, min_size=1, max_size=8), on=DAYS)
def test_an_answer_that_triggers_never_makes_it_milder(picked, on):
    """Triggers are added one by one to harmless answers; no step makes the outcome better or loses a finding."""
    changes, before = {}, ask(on=on, answered_on=TODAY)
    for trigger in picked:
        changes |= trigger
        after = ask(changes, on=on, answered_on=TODAY)
        assert _badness(after) >= _badness(before)
        assert rules(after) >= rules(before)
        before = after


@SETTINGS
@given(answers=ANSWERS, trigger=st.sampled_from(TRIGGERS))
@example(
    answers={"treatment-area-other": "0", "sun-tan": "yes"},
    trigger={"dark-marks": "yes", "dark-marks-how-long": "months"},
)
def test_a_trigger_added_to_any_answers_never_makes_them_milder(answers, trigger):
    """Whatever else was said: answering a question that was blank with a trigger keeps all findings."""
    without = {key: value for key, value in answers.items() if key not in trigger}
    items = {shipped().item_of(key) for key in trigger}
    without = {key: value for key, value in without.items() if shipped().item_of(key) not in items}
    before, after = assess(shipped(), without, on=TODAY), assess(shipped(), without | trigger, on=TODAY)

    assert rules(after) >= rules(before)
    worst = [max((RANK[f.effect] for f in result.findings), default=0) for result in (before, after)]
    assert worst[1] >= worst[0]


@SETTINGS
@given(answers=ANSWERS, gone=st.sampled_from(sorted(HARMLESS)))
def test_leaving_a_required_item_out_always_blocks(answers, gone):
    result = assess(shipped(), {key: value for key, value in answers.items() if key != gone}, on=TODAY)

    assert gone in result.incomplete
    assert result.blocks
    assert result.earliest is None


# ---------------------------------------------------------------- a follow-up left out


def _variants(question):
    """All ways to answer a question with its required follow-ups."""
    for value in _values(question):
        below = [list(_variants(follow_up)) for follow_up in _required(question.link_id, value)]
        for parts in product(*below):
            yield dict(ChainMap({question.link_id: value}, *parts))


FOLLOW_UPS = [question for question in shipped().questions if question.is_follow_up and question.required]


@pytest.mark.parametrize("question", FOLLOW_UPS, ids=lambda question: question.link_id)
def test_a_follow_up_left_out_is_never_milder_than_any_answer_to_it(question):
    """For each answer that calls for it: silence is read as the worst of what could have been said."""
    parent = shipped().by_link_id[question.parent]
    for value in _values(parent):
        if question not in _required(parent.link_id, value):
            continue
        above = _led_to(parent) | _filled(parent, value)
        below = {key for part in _variants(question) for key in part}
        silent = ask({key: told for key, told in above.items() if key not in below})
        assert question.link_id in silent.incomplete
        for said in _variants(question):
            assert _badness(silent) >= _badness(ask(above | said)), (value, said)
