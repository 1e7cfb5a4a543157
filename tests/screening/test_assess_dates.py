"""Waits and ages to the day: calendar months, leap days, dates only half remembered, dates that cannot be."""

from datetime import date, datetime, timedelta

import pytest

from clinic.ages import age_on, birthday
from screening.assessment import assess
from screening.questionnaires import plus, read_date
from tests.screening.answers import TODAY, ask, effects, recheck, rules, shipped


def found(result, rule):
    return {finding.rule: finding for finding in result.findings}.get(rule)


WAITS = [
    ({"sun-tan": "yes", "sun-tan-kind": "tan"}, "sun-tan-when", {"weeks": 2}, "sun-tan-under-2-weeks"),
    (
        {"isotretinoin": "yes", "isotretinoin-still": "no"},
        "isotretinoin-last-dose",
        {"months": 6},
        "isotretinoin-under-6-months",
    ),
    ({"scar-age": "under-6-months"}, "scar-healed-on", {"months": 6}, "scar-age-under-6-months"),
    (
        {"weak-immunity": "yes", "weak-immunity-cause": "x", "weak-immunity-steroids": "ended-within-4-weeks"},
        "weak-immunity-steroids-ended",
        {"weeks": 4},
        "weak-immunity-steroids-under-4-weeks",
    ),
    (
        {"cancer-treatment": "ended-within-12-months", "cancer-treatment-area": "no"},
        "cancer-treatment-ended",
        {"weeks": 4},
        "cancer-treatment-under-4-weeks",
    ),
    *[
        ({"recent-procedures": [code]}, f"recent-procedures-{code}-on", period, rule)
        for code, period, rule in (
            ("botulinum", {"weeks": 2}, "botulinum-under-2-weeks"),
            ("filler", {"weeks": 4}, "filler-under-4-weeks"),
            ("laser-light-peel", {"weeks": 4}, "laser-light-peel-under-4-weeks"),
            ("needling", {"weeks": 4}, "needling-under-4-weeks"),
            ("waxing", {"days": 7}, "waxing-under-7-days"),
            ("operation", {"months": 6}, "operation-under-6-months"),
        )
    ],
]


REACH_BACK = [question.link_id for question in shipped().questions if question.reaches_back]


@pytest.mark.parametrize(("given", "link_id", "period", "rule"), WAITS)
@pytest.mark.parametrize("day", [date(2026, 8, 31), date(2027, 8, 31), date(2028, 2, 29), date(2026, 11, 22)])
def test_a_wait_blocks_the_day_before_its_until_and_not_on_it(given, link_id, period, rule, day):
    until = plus(day, period)
    answers = given | {link_id: day.isoformat()}

    the_day_before = ask(answers, on=until - timedelta(days=1), answered_on=day)
    assert the_day_before.effect == "defer"
    assert found(the_day_before, rule).until == until == the_day_before.earliest
    for on in (until, until + timedelta(days=1)):
        after = ask(answers, on=on, answered_on=day)
        assert found(after, rule) is None
        assert "defer" not in effects(after)
        assert not after.blocks


def test_a_wait_blocks_on_the_same_boundary_when_answered_on_the_treatment_day():
    for given, link_id, period, rule in WAITS:
        day = date(2026, 5, 10)
        until = plus(day, period)
        assert found(ask(given | {link_id: day.isoformat()}, on=until - timedelta(days=1)), rule)
        assert not ask(given | {link_id: day.isoformat()}, on=until).blocks
        # the day after, "in the last 2 weeks" (or 4) no longer fits its date: another rule speaks, not this one
        assert found(ask(given | {link_id: day.isoformat()}, on=until + timedelta(days=1)), rule) is None


@pytest.mark.parametrize(
    ("day", "period", "sum_"),
    [
        (date(2026, 8, 31), {"months": 6}, date(2027, 2, 28)),
        (date(2027, 8, 31), {"months": 6}, date(2028, 2, 29)),
        (date(2028, 2, 29), {"months": 12}, date(2029, 2, 28)),
        (date(2026, 12, 31), {"months": 2}, date(2027, 2, 28)),
        (date(2026, 11, 30), {"months": 1}, date(2026, 12, 30)),
        (date(2026, 3, 28), {"days": 7}, date(2026, 4, 4)),
        (date(2028, 2, 22), {"weeks": 1}, date(2028, 2, 29)),
        (date.max, {"months": 6}, date.max),
        (date.max, {"days": 1}, date.max),
    ],
)
def test_months_are_calendar_months(day, period, sum_):
    assert plus(day, period) == sum_


def test_the_worked_example():
    answers = {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2026-08-31"}

    assert ask(answers, on=date(2027, 2, 27)).as_dict() == {
        "effect": "defer",
        "earliest": "2027-02-28",
        "incomplete": [],
        "findings": [
            {
                "rule": "isotretinoin-under-6-months",
                "effect": "defer",
                "questions": ["isotretinoin"],
                "until": "2027-02-28",
                "override": "O2",
                "needs": [],
            }
        ],
    }
    assert ask(answers, on=date(2027, 2, 28)).effect == "advise"
    assert ask(answers, on=date(2027, 8, 31)).effect == "advise"
    assert ask(answers, on=date(2027, 9, 1)).effect == "none"


REVIEWS = [
    ({"scar-age": "under-6-months"}, "scar-healed-on", {"months": 6}, {"months": 12}),
    ({"recent-procedures": ["filler"]}, "recent-procedures-filler-on", {"weeks": 4}, {"months": 6}),
    ({"recent-procedures": ["operation"]}, "recent-procedures-operation-on", {"months": 6}, {"months": 12}),
    (
        {"cancer-treatment": "ended-within-12-months", "cancer-treatment-area": "no"},
        "cancer-treatment-ended",
        {"weeks": 4},
        {"months": 12},
    ),
]


@pytest.mark.parametrize(("given", "link_id", "start", "end"), REVIEWS)
def test_after_the_wait_a_clinician_looks_until_the_window_ends(given, link_id, start, end):
    day = date(2026, 11, 22)
    answers = given | {link_id: day.isoformat()}

    for on in (plus(day, start), plus(day, end)):
        assert ask(answers, on=on, answered_on=day).effect == "review"
    assert ask(answers, on=plus(day, end) + timedelta(days=1), answered_on=day).effect == "none"


# ---------------------------------------------------------------- dates half remembered


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ("2026-08-31", date(2027, 2, 28)),
        ("2026-08", date(2027, 2, 28)),
        ("2026-10", date(2027, 4, 30)),
        ("2026-11", date(2027, 5, 22)),  # the month's end has not come yet: counts as the day of answering
        ("2026", date(2027, 5, 22)),
        ("unknown", date(2027, 5, 22)),
    ],
)
def test_a_vague_date_counts_as_its_last_possible_day(said, until):
    answers = {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": said}
    result = ask(answers, on=date(2027, 1, 10), answered_on=TODAY)

    assert result.earliest == until
    assert rules(result) == {"isotretinoin-under-6-months"}


@pytest.mark.parametrize(
    ("given", "link_id"), [(given, link_id) for given, link_id, _, rule in WAITS if link_id in REACH_BACK]
)
def test_a_year_long_past_needs_no_wait(given, link_id):
    """ANSWERS says so of these two by name. The form asks for such a date again (`reaches_back`)."""
    assert ask(given | {link_id: "2024"}).effect == "none"


@pytest.mark.parametrize("item", ["rosacea", "eczema", "psoriasis"])
@pytest.mark.parametrize(
    ("said", "effect"),
    [
        ("2025-11-23", "contraindicated"),
        ("2025-11-22", "review"),  # exactly 12 months: none for 12 months or more
        ("2025-11", "contraindicated"),
        ("2025-10", "review"),
        ("2025", "review"),  # may be more than 12 months ago
        ("2026", "review"),  # contradicts the choice, but only a day or a month counts as now
        ("unknown", "review"),
        ("2010", "review"),
    ],
)
def test_a_flare_under_12_months_ago_counts_as_now(item, said, effect):
    result = ask({item: "past", f"{item}-where": "face", f"{item}-last-flare": said})

    assert result.effect == effect
    assert "review" in effects(result)


@pytest.mark.parametrize("item", ["rosacea", "eczema", "psoriasis"])
def test_a_flare_that_contradicts_none_for_12_months_is_flagged(item):
    for said, flagged in (("2026-06-01", True), ("2026-06", True), ("2026", True), ("2025", False), ("unknown", False)):
        result = ask({item: "past", f"{item}-where": "face", f"{item}-last-flare": said})
        assert (f"{item}-date-does-not-fit" in rules(result)) is flagged


def test_a_recent_flare_stays_recent_however_late_the_treatment():
    given = {"eczema": "past", "eczema-where": "arm", "eczema-last-flare": "2026-10-01"}

    assert ask(given, on=date(2027, 12, 1), answered_on=TODAY).effect == "contraindicated"


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({"skin-cancer-area": "past", "skin-cancer-area-what": "BCC", "skin-cancer-area-when": "unknown"}, "review"),
        ({"poor-healing": "yes", "poor-healing-what": "x", "poor-healing-when": "unknown"}, "review"),
    ],
)
def test_an_unknown_date_never_makes_a_history_worse(changes, effect):
    assert ask(changes).effect == effect


def test_the_date_decides_the_age_of_a_scar_not_the_choice():
    young = {"scar-age": "6-to-12-months", "scar-healed-on": "2026-10-01"}
    assert ask(young).earliest == date(2027, 4, 1)
    assert rules(ask(young)) == {"scar-age-under-6-months", "scar-age-date-does-not-fit"}

    by_then_older = {"scar-age": "under-6-months", "scar-healed-on": "2026-07-22"}
    assert ask(by_then_older, answered_on=TODAY, on=date(2027, 1, 21)).effect == "defer"
    assert rules(ask(by_then_older, answered_on=TODAY, on=date(2027, 1, 22))) == {"scar-age-6-to-12-months"}

    old = {"scar-age": "under-6-months", "scar-healed-on": "2020-01-01"}
    assert rules(ask(old)) == {"scar-age-date-does-not-fit"}
    assert ask(old).effect == "review"


YOUNG, MIDDLE = {"scar-age": "under-6-months"}, {"scar-age": "6-to-12-months"}
ROSACEA = {"rosacea": "past", "rosacea-where": "x"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (YOUNG | {"scar-healed-on": "2026-05-21"}, {"scar-age-6-to-12-months", "scar-age-date-does-not-fit"}),
        (YOUNG | {"scar-healed-on": "2026-05-22"}, {"scar-age-6-to-12-months"}),
        (YOUNG | {"scar-healed-on": "2026-05-23"}, {"scar-age-under-6-months"}),
        (MIDDLE | {"scar-healed-on": "2025-11-21"}, {"scar-age-date-does-not-fit"}),
        (MIDDLE | {"scar-healed-on": "2025-11-22"}, {"scar-age-6-to-12-months"}),
        (MIDDLE | {"scar-healed-on": "2026-05-22"}, {"scar-age-6-to-12-months"}),
        (MIDDLE | {"scar-healed-on": "2026-05-23"}, {"scar-age-date-does-not-fit", "scar-age-under-6-months"}),
        (MIDDLE | {"scar-healed-on": "2026-05"}, {"scar-age-under-6-months"}),
        (ROSACEA | {"rosacea-last-flare": "2025-11-22"}, {"rosacea-past"}),
        (
            ROSACEA | {"rosacea-last-flare": "2025-11-23"},
            {"rosacea-past", "rosacea-flare-under-12-months", "rosacea-date-does-not-fit"},
        ),
        (ROSACEA | {"rosacea-last-flare": "2025-11"}, {"rosacea-past", "rosacea-flare-under-12-months"}),
        ({"age-date-of-birth": "2008-11-23"}, {"age-under-18"}),
        ({"age-date-of-birth": "2008-11-22"}, {"age-18-to-21"}),
        ({"age-date-of-birth": "2004-11-23"}, {"age-18-to-21"}),
        ({"age-date-of-birth": "2004-11-22"}, set()),
        ({"age-date-of-birth": "1906-11-23"}, set()),
        ({"age-date-of-birth": "1906-11-22"}, {"age-over-120"}),
    ],
)
def test_on_either_side_of_a_birthday_or_an_anniversary(changes, said):
    assert rules(ask(changes)) == said


# ---------------------------------------------------------------- dates that cannot be


@pytest.mark.parametrize(
    ("changes", "worse"),
    [
        (
            {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2026-11-23"},
            "isotretinoin-under-6-months",
        ),
        (
            {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2026-12"},
            "isotretinoin-under-6-months",
        ),
        (
            {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2027"},
            "isotretinoin-under-6-months",
        ),
        ({"scar-age": "6-to-12-months", "scar-healed-on": "2027-01-01"}, "scar-age-under-6-months"),
        ({"rosacea": "past", "rosacea-where": "x", "rosacea-last-flare": "2027"}, "rosacea-flare-under-12-months"),
        ({"recent-procedures": ["filler"], "recent-procedures-filler-on": "2026-12-24"}, "filler-under-4-weeks"),
        ({"age-date-of-birth": "2030-01-01"}, "age-under-18"),
    ],
)
def test_a_date_in_the_future_is_reviewed_and_read_at_its_worst(changes, worse):
    result = ask(changes)

    assert {"date-in-future", worse} <= rules(result)
    assert found(result, "date-in-future").effect == "review"
    assert found(result, "date-in-future").override == "O1"
    assert result.blocks


def test_today_and_this_month_are_not_in_the_future():
    for said in ("2026-11-22", "2026-11", "2026", "unknown"):
        given = {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": said}
        assert "date-in-future" not in rules(ask(given))


@pytest.mark.parametrize("said", ["2027-09-23", "2026-11-07"])
def test_a_due_date_too_far_or_too_long_past_is_reviewed(said):
    result = ask({"pregnancy": "yes", "pregnancy-due": said})

    assert rules(result) == {"pregnancy-yes", "pregnancy-due-does-not-fit"}
    assert result.earliest is None


@pytest.mark.parametrize("said", ["2027-09-22", "2026-11-08"])
def test_a_due_date_is_a_day_to_ask_again_and_never_an_until(said):
    result = ask({"pregnancy": "yes", "pregnancy-due": said})

    assert rules(result) == {"pregnancy-yes"}
    assert result.findings[0].until is None
    assert result.earliest is None
    assert result.ask_again_from == date.fromisoformat(said)
    assert ask({"pregnancy": "yes", "pregnancy-due": said}, on=date(2028, 1, 1), answered_on=TODAY).effect == "defer"


@pytest.mark.parametrize("said", ["2027-03", "2027", "unknown"])
def test_birth_and_due_dates_are_days(said):
    assert ask({"pregnancy": "yes", "pregnancy-due": said}).incomplete == ("pregnancy-due",)
    assert ask({"age-date-of-birth": said}).incomplete == ("age-date-of-birth",)


def test_an_answer_that_contradicts_its_date_is_taken_at_its_word_as_well():
    sun = ask({"sun-tan": "yes", "sun-tan-kind": "tan", "sun-tan-when": "2026-08-01"})
    assert rules(sun) == {"sun-tan-date-does-not-fit", "sun-tan-as-answered"}
    assert sun.earliest == date(2026, 12, 6)

    steroids = ask(
        {
            "weak-immunity": "yes",
            "weak-immunity-cause": "x",
            "weak-immunity-steroids": "ended-within-4-weeks",
            "weak-immunity-steroids-ended": "2025",
        }
    )
    assert steroids.earliest == date(2026, 12, 20)

    cancer = ask(
        {
            "cancer-treatment": "ended-within-12-months",
            "cancer-treatment-ended": "2020",
            "cancer-treatment-area": "no",
        }
    )
    assert rules(cancer) == {"cancer-treatment-date-does-not-fit", "cancer-treatment-as-answered"}
    assert cancer.earliest == date(2026, 12, 20)


CHOSEN = [
    (
        {"sun-tan": "yes", "sun-tan-kind": "tan"},
        "sun-tan-when",
        date(2026, 11, 8),
        {"sun-tan-date-does-not-fit", "sun-tan-as-answered"},
    ),
    (
        {"weak-immunity": "yes", "weak-immunity-cause": "x", "weak-immunity-steroids": "ended-within-4-weeks"},
        "weak-immunity-steroids-ended",
        date(2026, 10, 25),
        {"weak-immunity-date-does-not-fit", "weak-immunity-steroids-as-answered"},
    ),
    (
        {"cancer-treatment": "ended-within-12-months", "cancer-treatment-area": "no"},
        "cancer-treatment-ended",
        date(2025, 11, 22),
        {"cancer-treatment-date-does-not-fit", "cancer-treatment-as-answered"},
    ),
    ({"scar-age": "6-to-12-months"}, "scar-healed-on", date(2025, 11, 22), {"scar-age-date-does-not-fit"}),
]


@pytest.mark.parametrize(("given", "link_id", "last_that_fits", "contradicted"), CHOSEN)
def test_a_date_one_day_older_than_its_choice_contradicts_it(given, link_id, last_that_fits, contradicted):
    fits = ask(given | {link_id: last_that_fits.isoformat()})
    older = ask(given | {link_id: (last_that_fits - timedelta(days=1)).isoformat()})

    assert not contradicted & rules(fits)
    assert contradicted <= rules(older)
    assert "review" in effects(older)
    # only surely older dates contradict: a month in which one day fits does not
    assert not contradicted & rules(ask(given | {link_id: f"{last_that_fits:%Y-%m}"}))
    # counted from the day of answering: a later treatment makes no contradiction
    assert not contradicted & rules(
        ask(given | {link_id: last_that_fits.isoformat()}, answered_on=TODAY, on=TODAY + timedelta(days=40))
    )


def test_the_recheck_takes_a_contradicting_date_at_its_word_too():
    sun = {"sun-tan": "yes", "sun-tan-kind": "tan"}

    assert rules(recheck(sun | {"sun-tan-when": "2026-11-08"})) == set()
    older = recheck(sun | {"sun-tan-when": "2026-11-07"})
    assert rules(older) == {"sun-tan-date-does-not-fit", "sun-tan-as-answered"}
    assert older.earliest == date(2026, 12, 6)


# ---------------------------------------------------------------- several waits


def test_of_several_waits_the_latest_counts_and_all_are_kept():
    result = ask(
        {
            "recent-procedures": ["waxing", "filler"],
            "recent-procedures-waxing-on": "2026-11-20",
            "recent-procedures-filler-on": "2026-11-01",
        }
    )
    assert result.earliest == date(2026, 11, 29)
    assert rules(result) == {"waxing-under-7-days", "filler-under-4-weeks"}


def test_a_wait_without_a_date_beats_any_date():
    result = ask(
        {
            "recent-procedures": ["filler"],
            "recent-procedures-filler-on": "2026-11-01",
            "broken-skin": "yes",
            "broken-skin-cause": "shaving",
        }
    )
    assert (result.effect, result.earliest) == ("defer", None)


def test_no_earliest_day_beside_a_contraindication_or_a_gap():
    filler = {"recent-procedures": ["filler"], "recent-procedures-filler-on": "2026-11-01"}

    assert ask(filler).earliest == date(2026, 11, 29)
    assert ask(filler | {"keloid": "yes", "keloid-where": "ear"}).earliest is None
    gap = ask(filler, without=["keloid"])
    assert (gap.effect, gap.earliest, gap.incomplete) == ("defer", None, ("keloid",))


# ---------------------------------------------------------------- age


@pytest.mark.parametrize(
    ("birth", "on", "effect"),
    [
        ("2008-11-23", date(2026, 11, 22), "contraindicated"),
        ("2008-11-22", date(2026, 11, 22), "review"),
        ("2004-11-23", date(2026, 11, 22), "review"),
        ("2004-11-22", date(2026, 11, 22), "none"),
        ("2008-02-29", date(2026, 2, 28), "contraindicated"),  # of age on 1 March in common years
        ("2008-02-29", date(2026, 3, 1), "review"),
        ("2004-02-29", date(2026, 2, 28), "review"),
        ("2004-02-29", date(2026, 3, 1), "none"),
    ],
)
def test_age_counts_on_the_treatment_date(birth, on, effect):
    assert ask({"age-date-of-birth": birth}, on=on).effect == effect


def test_under_18_when_answering_is_too_young_even_if_treated_later():
    result = ask({"age-date-of-birth": "2008-12-01"}, answered_on=TODAY, on=date(2026, 12, 24))

    assert result.effect == "contraindicated"
    assert found(result, "age-under-18").override == "O0"
    assert result.ask_again_from == date(2026, 12, 1)
    assert result.earliest is None


def test_22_on_the_treatment_date_is_enough():
    assert ask({"age-date-of-birth": "2004-12-01"}, answered_on=TODAY, on=date(2026, 12, 1)).effect == "none"


def test_a_birth_date_that_differs_from_the_known_one_is_reviewed_and_read_at_its_worst():
    older = ask(known_birth_date=date(1990, 5, 18))
    assert rules(older) == {"birth-date-differs"}
    assert older.effect == "review"

    child = ask(known_birth_date=date(2010, 1, 1))
    assert {"birth-date-differs", "age-under-18"} <= rules(child)
    assert child.effect == "contraindicated"

    said_child = ask({"age-date-of-birth": "2010-01-01"}, known_birth_date=date(1990, 5, 17))
    assert {"birth-date-differs", "age-under-18"} <= rules(said_child)

    assert ask(known_birth_date=date(1990, 5, 17)).effect == "none"


def test_a_missing_birth_date_is_incomplete_and_the_known_one_still_counts():
    result = ask(known_birth_date=date(2010, 1, 1), without=["age-date-of-birth"])

    assert result.effect == "contraindicated"
    assert result.incomplete == ("age-date-of-birth",)


def test_ages_and_birthdays():
    assert age_on(date(2004, 2, 29), date(2022, 2, 28)) == 17
    assert age_on(date(2004, 2, 29), date(2022, 3, 1)) == 18
    assert birthday(date(2004, 2, 29), 18) == date(2022, 3, 1)
    assert birthday(date(2004, 2, 29), 20) == date(2024, 2, 29)
    assert birthday(date(9990, 1, 1), 18) == date.max


@pytest.mark.parametrize(
    "nonsense",
    ["2026-02-30", "2026-13", "0000", "0000-01-01", "26-1-1", "2026-1-1", "20261122", "2026-W10-1", "١٩٩٠-٠١-٠١"]
    + ["2026-11-22T00:00", " 2026-11-22", "2026-11-22\n", "Unknown", "2026-00", 2026, 20261122, None, True, [], {}],
)
def test_what_is_not_a_date_is_not_read_as_one(nonsense):
    assert read_date(nonsense) is None


def test_only_dates_are_taken_as_dates():
    for wrong in ("2026-11-22", 5, datetime(2026, 11, 22)):
        with pytest.raises(TypeError):
            assess(shipped(), {}, on=wrong)
        with pytest.raises(TypeError):
            assess(shipped(), {}, on=TODAY, answered_on=wrong)
    with pytest.raises(TypeError):
        assess(shipped(), {}, on=TODAY, known_birth_date="1990-05-17")


STEROIDS = {
    "weak-immunity": "yes",
    "weak-immunity-cause": "x",
    "weak-immunity-steroids": "ended-within-4-weeks",
    "weak-immunity-steroids-ended": "2025",
}
DATED = [
    *[
        row
        for item in ("rosacea", "eczema", "psoriasis")
        for row in (
            (
                {item: "past", f"{item}-where": "x", f"{item}-last-flare": "2026-06"},
                f"{item}-flare-under-12-months",
                ("contraindicated", "O2", ()),
            ),
            (
                {item: "past", f"{item}-where": "x", f"{item}-last-flare": "2026-06"},
                f"{item}-date-does-not-fit",
                ("review", "O1", ()),
            ),
        )
    ],
    (
        {"scar-age": "under-6-months", "scar-healed-on": "2020"},
        "scar-age-date-does-not-fit",
        ("review", "O1", ()),
    ),
    (
        {"sun-tan": "yes", "sun-tan-kind": "tan", "sun-tan-when": "2025"},
        "sun-tan-date-does-not-fit",
        ("review", "O1", ()),
    ),
    ({"sun-tan": "yes", "sun-tan-kind": "tan", "sun-tan-when": "2025"}, "sun-tan-as-answered", ("defer", "O1", ())),
    (STEROIDS, "weak-immunity-date-does-not-fit", ("review", "O1", ("prescriber",))),
    (STEROIDS, "weak-immunity-steroids-as-answered", ("defer", "O1", ("prescriber",))),
    (
        {
            "cancer-treatment": "ended-within-12-months",
            "cancer-treatment-ended": "2020",
            "cancer-treatment-area": "no",
        },
        "cancer-treatment-date-does-not-fit",
        ("review", "O1", ()),
    ),
    (
        {
            "cancer-treatment": "ended-within-12-months",
            "cancer-treatment-ended": "2020",
            "cancer-treatment-area": "no",
        },
        "cancer-treatment-as-answered",
        ("defer", "O1", ()),
    ),
    (
        {"recent-procedures": ["filler"], "recent-procedures-filler-on": "2026-07"},
        "filler-4-weeks-to-6-months",
        ("review", "O1", ()),
    ),
    (
        {"recent-procedures": ["operation"], "recent-procedures-operation-on": "2026-02"},
        "operation-6-to-12-months",
        ("review", "O1", ()),
    ),
    ({"pregnancy": "yes", "pregnancy-due": "2028-01-01"}, "pregnancy-due-does-not-fit", ("review", "O1", ())),
    (
        {
            "diabetes": "yes",
            "diabetes-controlled": "yes",
            "diabetes-hba1c": 7,
            "diabetes-hba1c-unit": "mmol-mol",
        },
        "diabetes-hba1c-does-not-fit",
        ("review", "O1", ()),
    ),
    (
        {"cold-sores": "before", "cold-sores-kidney-or-allergy": "not-sure"},
        "cold-sores-kidney-or-allergy",
        ("review", "O1", ("prescriber",)),
    ),
]


@pytest.mark.parametrize(("changes", "rule", "expected"), DATED)
def test_findings_that_hang_on_a_follow_up_have_their_override_and_needs(changes, rule, expected):
    finding = found(ask(changes), rule)

    assert (finding.effect, finding.override, finding.needs) == expected
