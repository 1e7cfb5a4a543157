"""One row for every answer of every question of the default questionnaire, written from the clinical facts."""

from datetime import date

import pytest

from tests.screening.answers import HARMLESS, TODAY, ask, recheck, shipped

ILL = "contraindicated"


def skin_condition(item):
    where = {f"{item}-where": "cheeks"}
    return [
        (item, "now", where, ILL, None, "O2", ()),
        (item, "past", where | {f"{item}-last-flare": "2019"}, "review", None, "O1", ()),
        (item, "no", {}, "none", None, None, ()),
        (item, "not-sure", {}, "review", None, "O1", ()),
    ]


PRESCRIBER = ("prescriber",)
INFECTION = {
    "active-skin-infection-what": "boil",
    "active-skin-infection-since": "2026-11-20",
    "active-skin-infection-treated": "yes",
}
BEFORE = {"cold-sores-kidney-or-allergy": "no"}
ANY_ACNE = {"active-acne-treatment": "no"}
SUN = {"sun-tan-when": "2026-11-20", "sun-tan-kind": "sunburn"}
HEALED_BADLY = {"poor-healing-what": "thick scab", "poor-healing-when": "2015"}
IMMUNITY = {"weak-immunity-cause": "a transplant", "weak-immunity-steroids": "no"}
METAL = {"allergy-metal-what": "a rash", "allergy-metal-patch-tested": "no"}
NUMBING = {"allergy-numbing-what": "a rash", "allergy-numbing-emergency": "no"}
OTHER_ALLERGY = {"allergy-other-what": "latex, a rash", "allergy-other-severe": "no"}
STEROIDS_ENDED = IMMUNITY | {
    "weak-immunity-steroids": "ended-within-4-weeks",
    "weak-immunity-steroids-ended": "2026-11-12",
}


def area(code, effect, override, **more):
    return ("treatment-area", [code], more.get("with_", {}), effect, None, override, ())


def procedure(code, day, effect, until):
    return ("recent-procedures", [code], {f"recent-procedures-{code}-on": day}, effect, until, "O1", ())


# question, answer, its follow-ups, effect, earliest, override of the worst finding, what a decision needs
TABLE = [
    ("age-date-of-birth", "1990-05-17", {}, "none", None, None, ()),
    ("age-date-of-birth", "2008-11-23", {}, ILL, None, "O0", ()),
    ("age-date-of-birth", "2008-11-22", {}, "review", None, "O1", ()),
    ("age-date-of-birth", "2004-11-23", {}, "review", None, "O1", ()),
    ("age-date-of-birth", "2004-11-22", {}, "none", None, None, ()),
    ("age-date-of-birth", "1930-01-01", {}, "none", None, None, ()),
    ("age-date-of-birth", "1890-01-01", {}, "review", None, "O1", ()),
    area("face", "none", None),
    area("belly", "none", None),
    area("chest", "review", "O1"),
    area("upper-back", "review", "O1"),
    area("lower-back", "review", "O1"),
    area("shoulder", "review", "O1"),
    area("neck", "review", "O1"),
    area("jawline", "review", "O1"),
    area("arm", "review", "O1"),
    area("thigh-hip-or-buttock", "review", "O1"),
    area("ear", "review", "O1"),
    area("eyelid", ILL, "O0"),
    area("lips", ILL, "O0"),
    area("genitals", ILL, "O0"),
    area("other", "review", "O1", with_={"treatment-area-other": "scalp"}),
    ("scar-type", "acne-dented", {}, "none", None, None, ()),
    ("scar-type", "surgery-flat", {}, "none", None, None, ()),
    ("scar-type", "stretch-marks", {}, "none", None, None, ()),
    ("scar-type", "raised", {"scar-type-growing": "yes"}, ILL, None, "O2", ("consultation-first",)),
    ("scar-type", "raised", {"scar-type-growing": "not-sure"}, ILL, None, "O2", ("consultation-first",)),
    ("scar-type", "raised", {"scar-type-growing": "no"}, "review", None, "O1", ()),
    ("scar-type", "burn", {}, "review", None, "O1", ()),
    ("scar-type", "other", {}, "review", None, "O1", ()),
    ("scar-type", "not-sure", {}, "review", None, "O1", ()),
    ("scar-age", "not-healed", {}, "defer", None, "O1", ()),
    ("scar-age", "under-6-months", {"scar-healed-on": "2026-08-31"}, "defer", date(2027, 2, 28), "O1", ()),
    ("scar-age", "6-to-12-months", {"scar-healed-on": "2026-03-01"}, "review", None, "O1", ()),
    ("scar-age", "over-12-months", {}, "none", None, None, ()),
    ("scar-age", "not-sure", {}, "review", None, "O1", ()),
    ("active-skin-infection", "yes", INFECTION, ILL, None, "O0", ()),
    ("active-skin-infection", "yes", INFECTION | {"active-skin-infection-treated": "no"}, ILL, None, "O0", ()),
    ("active-skin-infection", "no", {}, "none", None, None, ()),
    ("active-skin-infection", "not-sure", {}, "review", None, "O0", ()),
    ("cold-sores", "now", {}, ILL, None, "O0", ()),
    ("cold-sores", "before", BEFORE, "review", None, "O1", PRESCRIBER),
    ("cold-sores", "before", BEFORE | {"cold-sores-per-year": 4}, "review", None, "O1", PRESCRIBER),
    ("cold-sores", "before", {"cold-sores-kidney-or-allergy": "yes"}, "review", None, "O1", PRESCRIBER),
    ("cold-sores", "before", {"cold-sores-kidney-or-allergy": "not-sure"}, "review", None, "O1", PRESCRIBER),
    ("cold-sores", "never", {}, "none", None, None, ()),
    ("cold-sores", "not-sure", {}, "review", None, "O1", ()),
    ("broken-skin", "yes", {"broken-skin-cause": "shaving"}, "defer", None, "O0", ()),
    ("broken-skin", "no", {}, "none", None, None, ()),
    ("broken-skin", "not-sure", {}, "review", None, "O0", ()),
    ("active-acne", "none", {}, "none", None, None, ()),
    ("active-acne", "a-few", {}, "review", None, "O1", ()),
    ("active-acne", "many", ANY_ACNE, "defer", None, "O1", ()),
    (
        "active-acne",
        "many",
        {"active-acne-treatment": "yes", "active-acne-treatment-what": "a gel"},
        "defer",
        None,
        "O1",
        (),
    ),
    ("active-acne", "not-sure", {}, "review", None, "O1", ()),
    *skin_condition("rosacea"),
    *skin_condition("eczema"),
    *skin_condition("psoriasis"),
    ("keloid", "yes", {"keloid-where": "ear"}, ILL, None, "O2", ()),
    ("keloid", "relative", {"keloid-who": "my mother"}, "review", None, "O1", ()),
    ("keloid", "no", {}, "none", None, None, ()),
    ("keloid", "not-sure", {}, "review", None, "O1", ()),
    (
        "injury-triggered-skin",
        "yes",
        {"injury-triggered-skin-which": "vitiligo", "injury-triggered-skin-changed": "no"},
        "review",
        None,
        "O1",
        (),
    ),
    (
        "injury-triggered-skin",
        "yes",
        {"injury-triggered-skin-which": "vitiligo", "injury-triggered-skin-changed": "yes"},
        "review",
        None,
        "O1",
        (),
    ),
    ("injury-triggered-skin", "no", {}, "none", None, None, ()),
    ("injury-triggered-skin", "not-sure", {}, "review", None, "O1", ()),
    ("skin-cancer-area", "now", {}, ILL, None, "O0", ()),
    (
        "skin-cancer-area",
        "past",
        {"skin-cancer-area-what": "BCC", "skin-cancer-area-when": "unknown"},
        "review",
        None,
        "O2",
        (),
    ),
    ("skin-cancer-area", "no", {}, "none", None, None, ()),
    ("skin-cancer-area", "not-sure", {}, "review", None, "O2", ()),
    ("changing-mole", "yes", {"changing-mole-doctor": "no"}, "defer", None, "O0", ()),
    (
        "changing-mole",
        "yes",
        {"changing-mole-doctor": "yes", "changing-mole-result": "harmless"},
        "review",
        None,
        "O1",
        (),
    ),
    (
        "changing-mole",
        "yes",
        {"changing-mole-doctor": "yes", "changing-mole-result": "waiting"},
        "defer",
        None,
        "O0",
        (),
    ),
    (
        "changing-mole",
        "yes",
        {"changing-mole-doctor": "yes", "changing-mole-result": "not-harmless"},
        "defer",
        None,
        "O0",
        (),
    ),
    ("changing-mole", "no", {}, "none", None, None, ()),
    ("changing-mole", "not-sure", {}, "review", None, "O0", ()),
    ("sun-tan", "yes", SUN, "defer", date(2026, 12, 4), "O1", ()),
    ("sun-tan", "yes", SUN | {"sun-tan-kind": "tan"}, "defer", date(2026, 12, 4), "O1", ()),
    ("sun-tan", "yes", SUN | {"sun-tan-kind": "fake-tan"}, "defer", None, "O1", ()),
    ("sun-tan", "no", {}, "none", None, None, ()),
    ("sun-tan", "not-sure", {}, "review", None, "O1", ()),
    ("pregnancy", "yes", {}, "defer", None, "O0", ()),
    ("pregnancy", "yes", {"pregnancy-due": "2027-03-01"}, "defer", None, "O0", ()),
    ("pregnancy", "might-be", {}, "defer", None, "O0", ()),
    ("pregnancy", "no", {}, "none", None, None, ()),
    ("pregnancy", "does-not-apply", {}, "none", None, None, ()),
    ("breastfeeding", "yes", {}, "defer", None, "O1", PRESCRIBER),
    ("breastfeeding", "no", {}, "none", None, None, ()),
    ("breastfeeding", "does-not-apply", {}, "none", None, None, ()),
    ("isotretinoin", "yes", {"isotretinoin-still": "yes"}, "defer", None, "O2", ()),
    (
        "isotretinoin",
        "yes",
        {"isotretinoin-still": "no", "isotretinoin-last-dose": "2026-10-01"},
        "defer",
        date(2027, 4, 1),
        "O2",
        (),
    ),
    (
        "isotretinoin",
        "yes",
        {"isotretinoin-still": "no", "isotretinoin-last-dose": "2026-02-01"},
        "advise",
        None,
        None,
        (),
    ),
    (
        "isotretinoin",
        "yes",
        {"isotretinoin-still": "no", "isotretinoin-last-dose": "2025-11-01"},
        "none",
        None,
        None,
        (),
    ),
    ("isotretinoin", "no", {}, "none", None, None, ()),
    ("isotretinoin", "not-sure", {}, "review", None, "O2", ()),
    *[
        ("blood-thinners", "yes", {"blood-thinners-which": [which]}, "review", None, "O1", PRESCRIBER)
        for which in ("warfarin", "aspirin", "clopidogrel", "apixaban-or-similar", "heparin")
    ],
    (
        "blood-thinners",
        "yes",
        {"blood-thinners-which": ["other"], "blood-thinners-which-other": "dipyridamole"},
        "review",
        None,
        "O1",
        PRESCRIBER,
    ),
    (
        "blood-thinners",
        "yes",
        {"blood-thinners-which": ["warfarin"], "blood-thinners-inr": 3.5},
        "review",
        None,
        "O1",
        PRESCRIBER,
    ),
    (
        "blood-thinners",
        "yes",
        {"blood-thinners-which": ["warfarin"], "blood-thinners-inr": 3.6},
        "defer",
        None,
        "O1",
        PRESCRIBER,
    ),
    ("blood-thinners", "no", {}, "none", None, None, ()),
    ("blood-thinners", "not-sure", {}, "review", None, "O1", PRESCRIBER),
    ("bleeding-disorder", "yes", {"bleeding-disorder-which": "haemophilia"}, ILL, None, "O2", ()),
    ("bleeding-disorder", "no", {}, "none", None, None, ()),
    ("bleeding-disorder", "not-sure", {}, "review", None, "O2", ()),
    ("weak-immunity", "yes", IMMUNITY, "review", None, "O1", PRESCRIBER),
    ("weak-immunity", "yes", IMMUNITY | {"weak-immunity-steroids": "now"}, "defer", None, "O1", PRESCRIBER),
    ("weak-immunity", "yes", STEROIDS_ENDED, "defer", date(2026, 12, 10), "O1", PRESCRIBER),
    ("weak-immunity", "no", {}, "none", None, None, ()),
    ("weak-immunity", "not-sure", {}, "review", None, "O1", PRESCRIBER),
    ("cancer-treatment", "now-or-soon", {}, "defer", None, "O0", ()),
    (
        "cancer-treatment",
        "ended-within-12-months",
        {"cancer-treatment-ended": "2026-11-01", "cancer-treatment-area": "no"},
        "defer",
        date(2026, 11, 29),
        "O1",
        (),
    ),
    (
        "cancer-treatment",
        "ended-within-12-months",
        {"cancer-treatment-ended": "2026-05", "cancer-treatment-area": "no"},
        "review",
        None,
        "O1",
        (),
    ),
    ("cancer-treatment", "longer-ago", {"cancer-treatment-area": "yes"}, "review", None, "O1", ()),
    ("cancer-treatment", "longer-ago", {"cancer-treatment-area": "no"}, "none", None, None, ()),
    ("cancer-treatment", "no", {}, "none", None, None, ()),
    ("cancer-treatment", "not-sure", {}, "review", None, "O1", ()),
    ("diabetes", "yes", {"diabetes-controlled": "yes"}, "review", None, "O1", ()),
    ("diabetes", "yes", {"diabetes-controlled": "no"}, "defer", None, "O1", ()),
    ("diabetes", "yes", {"diabetes-controlled": "not-sure"}, "defer", None, "O1", ()),
    *[
        (
            "diabetes",
            "yes",
            {"diabetes-controlled": "yes", "diabetes-hba1c": number, "diabetes-hba1c-unit": unit},
            "review",
            None,
            "O1",
            (),
        )
        for number, unit in ((6.5, "percent"), (48, "mmol-mol"))
    ],
    ("diabetes", "no", {}, "none", None, None, ()),
    ("diabetes", "not-sure", {}, "review", None, "O1", ()),
    ("connective-tissue", "scleroderma-or-morphoea", {}, ILL, None, "O2", ()),
    ("connective-tissue", "lupus", {"connective-tissue-which": "lupus, tablets"}, "review", None, "O1", ()),
    ("connective-tissue", "another", {"connective-tissue-which": "Sjogren"}, "review", None, "O1", ()),
    ("connective-tissue", "no", {}, "none", None, None, ()),
    ("connective-tissue", "not-sure", {}, "review", None, "O1", ()),
    ("poor-healing", "yes", HEALED_BADLY, "review", None, "O1", ()),
    ("poor-healing", "no", {}, "none", None, None, ()),
    ("poor-healing", "not-sure", {}, "review", None, "O1", ()),
    procedure("botulinum", "2026-11-15", "defer", date(2026, 11, 29)),
    procedure("filler", "2026-11-15", "defer", date(2026, 12, 13)),
    procedure("laser-light-peel", "2026-11-15", "defer", date(2026, 12, 13)),
    procedure("needling", "2026-11-15", "defer", date(2026, 12, 13)),
    procedure("waxing", "2026-11-20", "defer", date(2026, 11, 27)),
    procedure("operation", "2026-08-31", "defer", date(2027, 2, 28)),
    ("recent-procedures", ["tattoo"], {}, "review", None, "O1", ()),
    ("recent-procedures", ["none"], {}, "none", None, None, ()),
    ("recent-procedures", ["not-sure"], {}, "review", None, "O1", ()),
    ("active-skincare", "yes", {"active-skincare-which": "retinol"}, "advise", None, None, ()),
    ("active-skincare", "no", {}, "none", None, None, ()),
    ("active-skincare", "not-sure", {}, "advise", None, None, ()),
    ("allergy-numbing", "yes", NUMBING, ILL, None, "O2", ("no-numbing",)),
    ("allergy-numbing", "yes", NUMBING | {"allergy-numbing-emergency": "yes"}, ILL, None, "O2", ("no-numbing",)),
    ("allergy-numbing", "no", {}, "none", None, None, ()),
    ("allergy-numbing", "not-sure", {}, "review", None, "O2", ()),
    ("allergy-metal", "no", {}, "none", None, None, ()),
    ("allergy-metal", "nickel", METAL, "review", None, "O1", ()),
    ("allergy-metal", "steel", METAL | {"allergy-metal-patch-tested": "yes"}, ILL, None, "O2", ()),
    ("allergy-metal", "another-or-not-sure", METAL, "review", None, "O1", ()),
    *[
        ("allergy-other", "yes", OTHER_ALLERGY | {"allergy-other-severe": severe}, "review", None, "O1", ())
        for severe in ("yes", "no", "not-sure")
    ],
    ("allergy-other", "no", {}, "none", None, None, ()),
    ("allergy-other", "not-sure", {}, "review", None, "O1", ()),
    ("numbing-safety", "yes", {"numbing-safety-which": "fits"}, "review", None, "O1", PRESCRIBER),
    ("numbing-safety", "no", {}, "none", None, None, ()),
    ("numbing-safety", "not-sure", {}, "review", None, "O1", PRESCRIBER),
    *[
        ("dark-marks", "yes", {"dark-marks-how-long": how_long}, "advise", None, None, ())
        for how_long in ("weeks", "months", "over-a-year")
    ],
    ("dark-marks", "no", {}, "none", None, None, ()),
    ("dark-marks", "not-sure", {}, "advise", None, None, ()),
    ("appearance-distress", "yes", {"appearance-distress-stops-you": "no"}, "review", None, "O1", ("face-to-face",)),
    (
        "appearance-distress",
        "yes",
        {"appearance-distress-stops-you": "yes"},
        "review",
        None,
        "O1",
        ("lead-clinician", "face-to-face", "consultation-first"),
    ),
    ("appearance-distress", "no", {}, "none", None, None, ()),
    ("appearance-distress", "prefer-not-to-say", {}, "review", None, "O1", ("face-to-face",)),
    ("other-health", "yes", {"other-health-what": "asthma"}, "review", None, "O1", ()),
    ("other-health", "no", {}, "none", None, None, ()),
]


@pytest.mark.parametrize(("question", "answer", "follow_ups", "effect", "earliest", "override", "needs"), TABLE)
def test_each_answer_alone_has_its_effect(question, answer, follow_ups, effect, earliest, override, needs):
    result = ask({question: answer} | follow_ups)

    assert result.effect == effect
    assert result.earliest == earliest
    assert result.incomplete == ()
    assert (result.findings[0].override if result.findings else None) == override
    assert result.needs == needs
    assert all(finding.questions == (question,) for finding in result.findings)
    assert bool(result.findings) == (effect != "none")


def test_the_table_has_every_item_and_every_code_of_it():
    tried = set()
    for question, answer, follow_ups, *_ in TABLE:
        for link_id, value in ({question: answer} | follow_ups).items():
            codes = value if isinstance(value, list) else [value]
            tried |= {(link_id, code) for code in codes}

    left_out = [
        (question.link_id, code)
        for question in shipped().questions
        for code in question.codes
        if (question.link_id, code) not in tried
    ]
    assert left_out == []
    assert {question for question, *_ in TABLE} == set(HARMLESS)
    assert {link_id for link_id, _ in tried} >= {question.link_id for question in shipped().questions} - {
        "pregnancy-due"
    }


def test_nothing_to_report_gives_no_finding_at_all():
    assert ask().as_dict() == {"effect": "none", "earliest": None, "incomplete": [], "findings": []}


@pytest.mark.parametrize("question", [question for question in shipped().questions if question.is_follow_up])
def test_each_required_follow_up_left_out_is_incomplete_and_no_milder(question):
    for item, answer, follow_ups, effect, *_ in TABLE:
        if question.link_id not in follow_ups or not question.required:
            continue
        kept = {key: value for key, value in follow_ups.items() if key != question.link_id}
        complete, gap = ask({item: answer} | follow_ups), ask({item: answer} | kept)
        assert question.link_id in gap.incomplete
        assert gap.blocks
        assert gap.earliest is None
        assert {f.rule for f in gap.findings if f.effect in ("defer", ILL)} or gap.effect == "incomplete"
        order = ["none", "advise", "review", "defer", ILL]
        worst = max((f.effect for f in gap.findings), key=order.index, default="none")
        assert order.index(worst) >= order.index(effect) == order.index(complete.effect)


# what is left out, with what is given, the worst it could have meant
LEFT_OUT = [
    ({"scar-type": "raised"}, "scar-type-growing", ILL, "O2"),
    ({"scar-age": "under-6-months"}, "scar-healed-on", "defer", "O1"),
    ({"scar-age": "6-to-12-months"}, "scar-healed-on", "defer", "O1"),
    ({"cold-sores": "before"}, "cold-sores-kidney-or-allergy", "incomplete", "O1"),
    ({"active-acne": "many"}, "active-acne-treatment", "defer", "O1"),
    ({"rosacea": "past", "rosacea-where": "nose"}, "rosacea-last-flare", ILL, "O2"),
    ({"keloid": "relative"}, "keloid-who", "incomplete", "O1"),
    ({"changing-mole": "yes"}, "changing-mole-doctor", "defer", "O0"),
    ({"changing-mole": "yes", "changing-mole-doctor": "yes"}, "changing-mole-result", "defer", "O0"),
    ({"sun-tan": "yes", "sun-tan-when": "2020-01-01"}, "sun-tan-kind", "defer", "O1"),
    ({"sun-tan": "yes", "sun-tan-kind": "tan"}, "sun-tan-when", "defer", "O1"),
    ({"isotretinoin": "yes"}, "isotretinoin-still", "defer", "O2"),
    ({"isotretinoin": "yes", "isotretinoin-still": "no"}, "isotretinoin-last-dose", "defer", "O2"),
    ({"weak-immunity": "yes", "weak-immunity-cause": "x"}, "weak-immunity-steroids", "defer", "O1"),
    ({"cancer-treatment": "longer-ago"}, "cancer-treatment-area", "incomplete", "O1"),
    (
        {"cancer-treatment": "ended-within-12-months", "cancer-treatment-area": "no"},
        "cancer-treatment-ended",
        "defer",
        "O1",
    ),
    ({"diabetes": "yes"}, "diabetes-controlled", "defer", "O1"),
    ({"recent-procedures": ["filler"]}, "recent-procedures-filler-on", "defer", "O1"),
    ({"recent-procedures": ["operation"]}, "recent-procedures-operation-on", "defer", "O1"),
    ({"appearance-distress": "yes"}, "appearance-distress-stops-you", "incomplete", "O1"),
]


@pytest.mark.parametrize(("given", "left_out", "effect", "override"), LEFT_OUT)
def test_a_follow_up_left_out_takes_the_worst_it_could_have_meant(given, left_out, effect, override):
    result = ask(given)

    assert left_out in result.incomplete
    assert result.effect == effect
    assert result.earliest is None
    assert result.findings[0].override == override


def test_a_missing_worry_follow_up_needs_what_its_yes_would_need():
    result = ask({"appearance-distress": "yes"})

    assert set(result.needs) >= {"lead-clinician", "consultation-first"}


@pytest.mark.parametrize("link_id", sorted(HARMLESS))
def test_each_item_left_blank_is_incomplete_and_blocks(link_id):
    for blank in (None, "", "   ", []):
        result = ask({link_id: blank})
        assert (result.effect, result.incomplete, result.findings) == ("incomplete", (link_id,), ())
        assert result.blocks
    assert ask(without=[link_id]).incomplete == (link_id,)


def test_optional_follow_ups_may_stay_empty():
    assert ask({"cold-sores": "before", "cold-sores-kidney-or-allergy": "no"}).incomplete == ()
    assert ask({"pregnancy": "yes"}).incomplete == ()
    assert ask({"blood-thinners": "yes", "blood-thinners-which": ["warfarin"]}).incomplete == ()
    assert ask({"diabetes": "yes", "diabetes-controlled": "yes"}).incomplete == ()


def test_an_hba1c_wants_its_unit():
    given = {"diabetes": "yes", "diabetes-controlled": "yes", "diabetes-hba1c": 48}

    assert ask(given).incomplete == ("diabetes-hba1c-unit",)
    assert "diabetes-hba1c-does-not-fit" in {f.rule for f in ask(given | {"diabetes-hba1c-unit": "percent"}).findings}


CREAM = {"active-skincare-which": "retinol"}

# the re-check: question, answer, follow-ups, effect, earliest
RECHECK = [
    ("active-skin-infection", "yes", INFECTION, ILL, None),
    ("cold-sores", "now", {}, ILL, None),
    ("cold-sores", "before", BEFORE, "review", None),
    ("broken-skin", "yes", {"broken-skin-cause": "a fall"}, "defer", None),
    ("active-acne", "many", ANY_ACNE, "defer", None),
    ("active-acne", "a-few", {}, "review", None),
    ("sun-tan", "yes", SUN, "defer", date(2026, 12, 4)),
    ("pregnancy", "yes", {}, "defer", None),
    ("pregnancy", "might-be", {}, "defer", None),
    ("active-skincare", "yes", CREAM | {"active-skincare-last-used": "2026-11-19"}, "advise", None),
    ("active-skincare", "yes", CREAM | {"active-skincare-last-used": "2026-11-20"}, "defer", date(2026, 11, 23)),
    ("active-skincare", "yes", CREAM | {"active-skincare-last-used": "2026-11-22"}, "defer", date(2026, 11, 25)),
    ("active-skincare", "yes", CREAM | {"active-skincare-last-used": "unknown"}, "defer", date(2026, 11, 25)),
    ("active-skincare", "not-sure", {}, "advise", None),
    *[
        row
        for item in ("recheck-new-medicine-or-diagnosis", "recheck-new-procedure", "recheck-problems")
        for row in (
            (item, "yes", {f"{item}-what": "something"}, "review", None),
            (item, "not-sure", {}, "review", None),
        )
    ],
    ("recheck-unwell", "yes", {"recheck-unwell-fever": "yes"}, "defer", None),
    ("recheck-unwell", "yes", {"recheck-unwell-fever": "no"}, "review", None),
    ("recheck-unwell", "not-sure", {}, "review", None),
]


@pytest.mark.parametrize(("question", "answer", "follow_ups", "effect", "earliest"), RECHECK)
def test_the_recheck_has_the_same_machinery(question, answer, follow_ups, effect, earliest):
    result = recheck({question: answer} | follow_ups)

    assert (result.effect, result.earliest, result.incomplete) == (effect, earliest, ())


def test_a_quiet_recheck_finds_nothing():
    assert recheck().as_dict()["effect"] == "none"
    assert recheck(on=TODAY, without=["recheck-unwell"]).effect == "incomplete"
    assert recheck({"recheck-unwell": "yes"}).effect == "defer"
    used_long_ago = {"active-skincare": "yes", "active-skincare-last-used": "2026-11-01"}
    assert recheck(used_long_ago).incomplete == ("active-skincare-which",)
    assert recheck(used_long_ago | CREAM).effect == "advise"
