"""Answers that mean more together, each beside neighbours that do not."""

from datetime import date, timedelta

import pytest

from tests.screening.answers import TODAY, ask, effects, rules

BLEEDS = {"bleeding-disorder": "yes", "bleeding-disorder-which": "haemophilia"}
THINNER = {"blood-thinners": "yes", "blood-thinners-which": ["aspirin"]}
COLD_SORES = {"cold-sores": "before", "cold-sores-kidney-or-allergy": "no"}
IMMUNITY = {"weak-immunity": "yes", "weak-immunity-cause": "x", "weak-immunity-steroids": "no"}
RELATIVE = {"keloid": "relative", "keloid-who": "my mother"}
RAISED = {"scar-type": "raised", "scar-type-growing": "no"}
DIABETES = {"diabetes": "yes", "diabetes-controlled": "yes"}
HEALED_BADLY = {"poor-healing": "yes", "poor-healing-what": "x", "poor-healing-when": "2015"}
MARKS = {"dark-marks": "yes", "dark-marks-how-long": "weeks"}
SUN = {"sun-tan": "yes", "sun-tan-kind": "tan", "sun-tan-when": "2026-11-20"}
TAKING = {"isotretinoin": "yes", "isotretinoin-still": "yes"}
ACNE = {"active-acne": "many", "active-acne-treatment": "no"}
REACTED = {"allergy-numbing": "yes", "allergy-numbing-what": "x", "allergy-numbing-emergency": "no"}
HEART = {"numbing-safety": "yes", "numbing-safety-which": "heart"}
WORRY = {"appearance-distress": "yes", "appearance-distress-stops-you": "yes"}

# together, the rule, its effect, its override, its needs, the items it names
TOGETHER = [
    (
        BLEEDS | THINNER,
        "combination-c1",
        "contraindicated",
        "O2",
        (),
        {"bleeding-disorder", "blood-thinners"},
    ),
    (
        {"bleeding-disorder": "not-sure"} | THINNER,
        "combination-c1",
        "contraindicated",
        "O2",
        (),
        {"bleeding-disorder", "blood-thinners"},
    ),
    (
        COLD_SORES | IMMUNITY,
        "combination-c2",
        "review",
        "O1",
        ("prescriber", "face-to-face"),
        {"cold-sores", "weak-immunity"},
    ),
    *[
        (
            keloid | {"treatment-area": ["face", area]},
            "combination-c3",
            "review",
            "O1",
            ("lead-clinician", "face-to-face"),
            {"keloid", "treatment-area"},
        )
        for keloid in (RELATIVE, {"keloid": "not-sure"})
        for area in ("chest", "shoulder", "upper-back", "neck", "jawline", "ear")
    ],
    (RAISED | {"keloid": "not-sure"}, "combination-c4", "contraindicated", "O2", (), {"scar-type", "keloid"}),
    (DIABETES | IMMUNITY, "combination-c5", "review", "O1", ("lead-clinician",), {"diabetes", "weak-immunity"}),
    (DIABETES | HEALED_BADLY, "combination-c5", "review", "O1", ("lead-clinician",), {"diabetes", "poor-healing"}),
    (MARKS | SUN, "combination-c6", "defer", "O1", (), {"dark-marks", "sun-tan"}),
    (
        MARKS | {"sun-tan": "not-sure"},
        "combination-c6-not-sure",
        "defer",
        "O1",
        (),
        {"dark-marks", "sun-tan"},
    ),
    (TAKING | ACNE, "combination-c7", "none", None, (), {"isotretinoin", "active-acne"}),
    (
        REACTED | HEART,
        "combination-c8",
        "contraindicated",
        "O2",
        ("lead-clinician", "no-numbing"),
        {"allergy-numbing", "numbing-safety"},
    ),
    (
        WORRY,
        "combination-c11",
        "review",
        "O1",
        ("lead-clinician", "consultation-first"),
        {"appearance-distress"},
    ),
    (
        {"pregnancy": "no", "breastfeeding": "yes"},
        "combination-c12",
        "none",
        None,
        (),
        {"pregnancy", "breastfeeding"},
    ),
]


@pytest.mark.parametrize(("changes", "rule", "effect", "override", "needs", "items"), TOGETHER)
def test_answers_mean_more_together(changes, rule, effect, override, needs, items):
    found = {finding.rule: finding for finding in ask(changes).findings}

    assert rule in found
    finding = found[rule]
    assert (finding.effect, finding.override, finding.needs, set(finding.questions)) == (effect, override, needs, items)


NEAR_MISSES = [
    (BLEEDS, "combination-c1"),
    (THINNER, "combination-c1"),
    (BLEEDS | {"blood-thinners": "not-sure"}, "combination-c1"),
    (COLD_SORES | {"weak-immunity": "not-sure"}, "combination-c2"),
    ({"cold-sores": "not-sure"} | IMMUNITY, "combination-c2"),
    ({"cold-sores": "now"} | IMMUNITY, "combination-c2"),
    *[
        (RELATIVE | {"treatment-area": [area]}, "combination-c3")
        for area in ("face", "belly", "lower-back", "arm", "thigh-hip-or-buttock")
    ],
    ({"keloid": "yes", "keloid-where": "chest", "treatment-area": ["chest"]}, "combination-c3"),
    ({"treatment-area": ["chest"]}, "combination-c3"),
    (RAISED | RELATIVE, "combination-c4"),
    ({"scar-type": "burn", "keloid": "not-sure"}, "combination-c4"),
    (RAISED, "combination-c4"),
    (DIABETES, "combination-c5"),
    ({"diabetes": "not-sure"} | IMMUNITY, "combination-c5"),
    (DIABETES | {"weak-immunity": "not-sure"}, "combination-c5"),
    (DIABETES | {"poor-healing": "not-sure"}, "combination-c5"),
    (IMMUNITY | HEALED_BADLY, "combination-c5"),
    ({"dark-marks": "not-sure"} | SUN, "combination-c6"),
    (MARKS, "combination-c6"),
    (MARKS, "combination-c6-not-sure"),
    ({"dark-marks": "not-sure", "sun-tan": "not-sure"}, "combination-c6-not-sure"),
    (TAKING | {"active-acne": "a-few"}, "combination-c7"),
    (
        {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2026-11-01"} | ACNE,
        "combination-c7",
    ),
    (REACTED | {"numbing-safety": "not-sure"}, "combination-c8"),
    ({"allergy-numbing": "not-sure"} | HEART, "combination-c8"),
    (WORRY | {"appearance-distress-stops-you": "no"}, "combination-c11"),
    ({"appearance-distress": "prefer-not-to-say"}, "combination-c11"),
    ({"pregnancy": "does-not-apply", "breastfeeding": "yes"}, "combination-c12"),
    ({"pregnancy": "no", "breastfeeding": "no"}, "combination-c12"),
]


@pytest.mark.parametrize(("changes", "rule"), NEAR_MISSES)
def test_a_neighbour_of_a_combination_is_none(changes, rule):
    assert rule not in rules(ask(changes))


def test_combinations_add_and_never_take_away():
    for changes, rule, *_ in TOGETHER:
        result = ask(changes)
        alone = rules(result) - {rule}
        assert alone or rule == "combination-c12"
    assert rules(ask(DIABETES | IMMUNITY)) >= {"diabetes-controlled", "weak-immunity-yes", "combination-c5"}
    assert rules(ask(TAKING | ACNE)) == {"isotretinoin-still-taking", "active-acne-many", "combination-c7"}


def test_notes_have_no_effect_of_their_own():
    noted = ask({"pregnancy": "no", "breastfeeding": "yes"})
    assert noted.effect == "defer"
    assert [finding.rule for finding in noted.findings if finding.is_note] == ["combination-c12"]


def test_sun_on_skin_that_marks_waits_4_weeks():
    assert ask(MARKS | SUN).earliest == date(2026, 12, 18)
    day = date(2026, 12, 18)
    assert ask(MARKS | SUN, answered_on=TODAY, on=day - timedelta(days=1)).effect == "defer"
    assert ask(MARKS | SUN, answered_on=TODAY, on=day).effect == "advise"


def test_perhaps_sun_on_skin_that_marks_waits_4_weeks_from_the_day_of_answering():
    changes = MARKS | {"sun-tan": "not-sure"}

    assert ask(changes).earliest == date(2026, 12, 20)
    assert ask(changes, answered_on=TODAY, on=date(2026, 12, 19)).effect == "defer"
    assert ask(changes, answered_on=TODAY, on=date(2026, 12, 20)).effect == "review"


# ---------------------------------------------------------------- C9: three items to look at

FEW_SPOTS, BURN, OTHER = {"active-acne": "a-few"}, {"scar-type": "burn"}, {"treatment-area": ["arm"]}


def test_three_items_to_look_at_need_a_consultation():
    result = ask(FEW_SPOTS | BURN | OTHER)

    found = {finding.rule: finding for finding in result.findings}["combination-c9"]
    assert (found.effect, found.override, found.needs) == ("review", "O1", ("consultation-first",))
    assert set(found.questions) == {"active-acne", "scar-type", "treatment-area"}


@pytest.mark.parametrize(
    "changes",
    [
        FEW_SPOTS | BURN,
        # three findings of two items
        {"recent-procedures": ["tattoo", "not-sure"]} | BURN,
        {"treatment-area": ["chest", "arm", "neck"]} | BURN,
        {"cold-sores": "before", "cold-sores-kidney-or-allergy": "yes"} | BURN,
        # the third is no review by itself
        FEW_SPOTS | BURN | {"dark-marks": "yes", "dark-marks-how-long": "weeks"},
        FEW_SPOTS | BURN | {"broken-skin": "yes", "broken-skin-cause": "x"},
        FEW_SPOTS | BURN | {"active-skincare": "not-sure"},
        # two items and a combination of them
        DIABETES | HEALED_BADLY,
        COLD_SORES | IMMUNITY,
    ],
)
def test_two_items_to_look_at_do_not(changes):
    assert "combination-c9" not in rules(ask(changes))


# ---------------------------------------------------------------- C10: not sure


@pytest.mark.parametrize(
    "changes",
    [
        {"rosacea": "not-sure", "keloid": "not-sure"},
        {"active-skincare": "not-sure", "dark-marks": "not-sure"},
        {"allergy-metal": "another-or-not-sure", "allergy-metal-what": "x", "allergy-metal-patch-tested": "no"}
        | {"eczema": "not-sure"},
        {"recent-procedures": ["not-sure"], "eczema": "not-sure"},
        # follow-ups count, also of one item
        {"diabetes": "yes", "diabetes-controlled": "not-sure", "eczema": "not-sure"},
        {"cold-sores": "before", "cold-sores-kidney-or-allergy": "not-sure", "allergy-other": "yes"}
        | {"allergy-other-what": "x", "allergy-other-severe": "not-sure"},
    ],
)
def test_two_not_sures_need_staff_help(changes):
    found = {finding.rule: finding for finding in ask(changes).findings}["combination-c10"]

    assert (found.effect, found.override, found.needs) == ("review", "O1", ("staff-help",))


@pytest.mark.parametrize(
    "changes",
    [
        {"rosacea": "not-sure"},
        {"diabetes": "yes", "diabetes-controlled": "not-sure"},
        {"pregnancy": "might-be", "appearance-distress": "prefer-not-to-say"},
        {"rosacea": "not-sure", "appearance-distress": "prefer-not-to-say"},
        {"poor-healing": "yes", "poor-healing-what": "x", "poor-healing-when": "unknown", "rosacea": "not-sure"},
    ],
)
def test_one_not_sure_does_not(changes):
    assert "combination-c10" not in rules(ask(changes))


def test_findings_come_worst_first():
    result = ask(FEW_SPOTS | BLEEDS | SUN | {"active-skincare": "not-sure", "pregnancy": "no", "breastfeeding": "yes"})
    order = ["contraindicated", "defer", "review", "advise", "none"]

    assert [f.effect for f in result.findings] == sorted((f.effect for f in result.findings), key=order.index)
    assert effects(result) == set(order)


def test_c6_takes_a_contradicting_date_at_its_worse_reading():
    """ "In the last 2 weeks", yet a date of a month ago: both waits count from the day of answering."""
    sun = {"sun-tan": "yes", "sun-tan-when": "2026-10-20", "sun-tan-kind": "tan"}
    result = ask(MARKS | sun)
    assert result.earliest == date(2026, 12, 20)
    assert {"combination-c6-as-answered", "sun-tan-as-answered", "sun-tan-date-does-not-fit"} <= rules(result)
    assert ask(sun).earliest == date(2026, 12, 6)
    assert "combination-c6-as-answered" not in rules(ask(MARKS | sun | {"sun-tan-when": "2026-11-08"}))
    assert "combination-c6-as-answered" in rules(ask(MARKS | sun | {"sun-tan-when": "2026-11-07"}))
