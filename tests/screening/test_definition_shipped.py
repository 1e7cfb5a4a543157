"""The shipped questionnaires: whole, readable, and in the clinic's voice."""

import json
import re
from dataclasses import asdict

import pytest

from education.readability import readability
from screening import definition
from screening.questionnaires import NEEDS
from screening.self_check import find_faults
from tests.screening.answers import shipped

NAMES = ["microneedling", "microneedling-recheck"]

# Never on a patient's page (LOOK).
BANNED = (
    "safe",
    "cleared",
    "passed",
    "perfect",
    "flaw",
    "imperfection",
    "suffer",
    "transform",
    "painless",
    "permanent",
    "guaranteed",
)

# The words that cannot be made shorter; each has a hint that says what they mean.
HARD_STEMS = {"cancer-treatment", "connective-tissue"}

# "Not sure" in other words, or not needed (H09).
WITHOUT_NOT_SURE = {
    "age-date-of-birth",  # a date
    "treatment-area",  # "somewhere else"
    "active-acne-treatment",  # follow-ups of an answer already given
    "pregnancy",  # "I might be"
    "breastfeeding",
    "allergy-metal",  # "another metal, or I am not sure"
    "appearance-distress",  # "I would rather not say"
    "other-health",
}

# Of the 35 items, those whose article anchors and codes other parts rely on.
ITEMS = """
age-date-of-birth treatment-area scar-type scar-age active-skin-infection cold-sores broken-skin active-acne rosacea
eczema psoriasis keloid injury-triggered-skin skin-cancer-area changing-mole sun-tan pregnancy breastfeeding
isotretinoin blood-thinners bleeding-disorder weak-immunity cancer-treatment diabetes connective-tissue poor-healing
recent-procedures active-skincare allergy-numbing allergy-metal allergy-other numbing-safety dark-marks
appearance-distress other-health
"""

# link_id: codes, parent, codes of the parent under which it is asked, required
YNS, YN = "yes no not-sure", "yes no"
FOLLOW_UPS = {
    "treatment-area-other": ("", "treatment-area", "other", True),
    "scar-type-growing": (YNS, "scar-type", "raised", True),
    "scar-healed-on": ("", "scar-age", "under-6-months 6-to-12-months", True),
    "active-skin-infection-what": ("", "active-skin-infection", "yes", True),
    "active-skin-infection-since": ("", "active-skin-infection", "yes", True),
    "active-skin-infection-treated": (YN, "active-skin-infection", "yes", True),
    "cold-sores-per-year": ("", "cold-sores", "before", False),
    "cold-sores-kidney-or-allergy": (YNS, "cold-sores", "before", True),
    "broken-skin-cause": ("", "broken-skin", "yes", True),
    "active-acne-treatment": (YN, "active-acne", "many", True),
    "active-acne-treatment-what": ("", "active-acne-treatment", "yes", True),
    "rosacea-where": ("", "rosacea", "now past", True),
    "rosacea-last-flare": ("", "rosacea", "past", True),
    "eczema-where": ("", "eczema", "now past", True),
    "eczema-last-flare": ("", "eczema", "past", True),
    "psoriasis-where": ("", "psoriasis", "now past", True),
    "psoriasis-last-flare": ("", "psoriasis", "past", True),
    "keloid-where": ("", "keloid", "yes", True),
    "keloid-who": ("", "keloid", "relative", True),
    "injury-triggered-skin-which": ("", "injury-triggered-skin", "yes", True),
    "injury-triggered-skin-changed": (YN, "injury-triggered-skin", "yes", True),
    "skin-cancer-area-what": ("", "skin-cancer-area", "past", True),
    "skin-cancer-area-when": ("", "skin-cancer-area", "past", True),
    "changing-mole-doctor": (YN, "changing-mole", "yes", True),
    "changing-mole-result": ("harmless waiting not-harmless", "changing-mole-doctor", "yes", True),
    "sun-tan-when": ("", "sun-tan", "yes", True),
    "sun-tan-kind": ("sunburn tan fake-tan", "sun-tan", "yes", True),
    "pregnancy-due": ("", "pregnancy", "yes", False),
    "isotretinoin-still": (YN, "isotretinoin", "yes", True),
    "isotretinoin-last-dose": ("", "isotretinoin-still", "no", True),
    "blood-thinners-which": (
        "warfarin aspirin clopidogrel apixaban-or-similar heparin other",
        "blood-thinners",
        "yes",
        True,
    ),
    "blood-thinners-which-other": ("", "blood-thinners-which", "other", True),
    "blood-thinners-inr": ("", "blood-thinners-which", "warfarin", False),
    "bleeding-disorder-which": ("", "bleeding-disorder", "yes", True),
    "weak-immunity-cause": ("", "weak-immunity", "yes", True),
    "weak-immunity-steroids": ("now ended-within-4-weeks no", "weak-immunity", "yes", True),
    "weak-immunity-steroids-ended": ("", "weak-immunity-steroids", "ended-within-4-weeks", True),
    "cancer-treatment-ended": ("", "cancer-treatment", "ended-within-12-months", True),
    "cancer-treatment-area": (YN, "cancer-treatment", "longer-ago ended-within-12-months", True),
    "diabetes-controlled": (YNS, "diabetes", "yes", True),
    "diabetes-hba1c": ("", "diabetes", "yes", False),
    "diabetes-hba1c-unit": ("percent mmol-mol", "diabetes-hba1c", "", True),
    "connective-tissue-which": ("", "connective-tissue", "lupus another", True),
    "poor-healing-what": ("", "poor-healing", "yes", True),
    "poor-healing-when": ("", "poor-healing", "yes", True),
    **{
        f"recent-procedures-{code}-on": ("", "recent-procedures", code, True)
        for code in ("botulinum", "filler", "laser-light-peel", "needling", "waxing", "operation")
    },
    "active-skincare-which": ("", "active-skincare", "yes", True),
    "allergy-numbing-what": ("", "allergy-numbing", "yes", True),
    "allergy-numbing-emergency": (YN, "allergy-numbing", "yes", True),
    "allergy-metal-what": ("", "allergy-metal", "nickel steel another-or-not-sure", True),
    "allergy-metal-patch-tested": (YN, "allergy-metal", "nickel steel another-or-not-sure", True),
    "allergy-other-what": ("", "allergy-other", "yes", True),
    "allergy-other-severe": (YNS, "allergy-other", "yes", True),
    "numbing-safety-which": ("", "numbing-safety", "yes", True),
    "dark-marks-how-long": ("weeks months over-a-year", "dark-marks", "yes", True),
    "appearance-distress-stops-you": (YN, "appearance-distress", "yes", True),
    "other-health-what": ("", "other-health", "yes", True),
}

CODES = {
    "treatment-area": "face belly chest upper-back lower-back shoulder neck jawline arm thigh-hip-or-buttock ear "
    "eyelid lips genitals other",
    "scar-type": "acne-dented surgery-flat stretch-marks raised burn other not-sure",
    "scar-age": "not-healed under-6-months 6-to-12-months over-12-months not-sure",
    "cold-sores": "now before never not-sure",
    "active-acne": "none a-few many not-sure",
    "rosacea": "now past no not-sure",
    "eczema": "now past no not-sure",
    "psoriasis": "now past no not-sure",
    "keloid": "yes relative no not-sure",
    "skin-cancer-area": "now past no not-sure",
    "pregnancy": "yes might-be no does-not-apply",
    "breastfeeding": "yes no does-not-apply",
    "cancer-treatment": "now-or-soon ended-within-12-months longer-ago no not-sure",
    "connective-tissue": "scleroderma-or-morphoea lupus another no not-sure",
    "recent-procedures": "botulinum filler laser-light-peel needling waxing operation tattoo none not-sure",
    "allergy-metal": "no nickel steel another-or-not-sure",
    "appearance-distress": "yes no prefer-not-to-say",
    "other-health": YN,
    "age-date-of-birth": "",
}


def patient_words(questionnaire):
    """(where, text) of every word a patient may read."""
    for section in questionnaire.sections:
        yield from ((f"section {section.code}", text) for text in (section.title, section.intro))
    for question in questionnaire.questions:
        texts = (question.text, question.hint, question.urgent, *(choice.label for choice in question.choices))
        yield from ((f"question {question.link_id}", text) for text in texts)
    for rule in questionnaire.rules:
        yield from ((f"rule {rule.id}", text) for text in (rule.title, rule.reason, rule.advice))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_questionnaire_has_no_faults(name):
    assert find_faults(shipped(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_questionnaire_survives_the_way_through_json(name):
    questionnaire = shipped(name)

    assert definition.from_dict(json.loads(json.dumps(asdict(questionnaire)))) == questionnaire


def test_all_35_items_are_asked_and_the_birth_date_is_first_and_alone():
    questionnaire = shipped()
    items = [question.link_id for question in questionnaire.questions if not question.is_follow_up]

    assert sorted(items) == sorted(ITEMS.split())
    assert len(items) == 35
    assert items[0] == "age-date-of-birth"
    assert [q.link_id for q in questionnaire.questions if q.section == questionnaire.sections[0].code] == items[:1]
    assert len(questionnaire.sections) == 8


def test_items_have_exactly_the_agreed_codes_and_are_all_required():
    for question in shipped().questions:
        if not question.is_follow_up:
            assert question.required
            assert set(question.codes) == set(CODES.get(question.link_id, YNS).split()), question.link_id


def test_follow_ups_are_exactly_those_agreed():
    found = {
        question.link_id: (
            set(question.codes),
            question.parent,
            set(question.parent_codes),
            question.required,
        )
        for question in shipped().questions
        if question.is_follow_up
    }
    assert found == {
        link_id: (set(codes.split()), parent, set(when.split()), required)
        for link_id, (codes, parent, when, required) in FOLLOW_UPS.items()
    }


def test_birth_and_due_dates_are_days_and_other_dates_may_be_vague():
    days = {question.link_id for question in shipped().questions if question.kind == "day"}
    dates = {question.link_id for question in shipped().questions if question.kind == "date"}

    assert days == {"age-date-of-birth", "pregnancy-due"}
    assert all(link_id in FOLLOW_UPS for link_id in dates)


def test_the_recheck_asks_what_was_agreed():
    items = {question.link_id for question in shipped("microneedling-recheck").questions if not question.is_follow_up}

    assert items == {
        "active-skin-infection",
        "cold-sores",
        "broken-skin",
        "active-acne",
        "sun-tan",
        "pregnancy",
        "active-skincare",
        "recheck-new-medicine-or-diagnosis",
        "recheck-new-procedure",
        "recheck-problems",
        "recheck-unwell",
    }
    assert shipped("microneedling-recheck").purpose == "recheck"


def test_a_question_means_the_same_in_both():
    full = shipped().by_link_id
    for question in shipped("microneedling-recheck").questions:
        if question.link_id in full:
            same = full[question.link_id]
            assert (question.text, question.codes, question.required) == (same.text, same.codes, same.required)


@pytest.mark.parametrize("name", NAMES)
def test_every_item_has_a_way_to_say_not_sure(name):
    for question in shipped(name).questions:
        if not question.is_follow_up and question.link_id not in WITHOUT_NOT_SURE:
            assert "not-sure" in question.codes, question.link_id


@pytest.mark.parametrize("name", NAMES)
def test_not_sure_never_leads_to_nothing_in_an_item(name):
    for question in shipped(name).questions:
        if not question.is_follow_up:
            assert not {"not-sure", "another-or-not-sure", "might-be"} & set(question.no_finding)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize("name", NAMES)
def test_no_stem_is_harder_than_grade_7_but_the_two_that_explain_themselves(name):
    hard = set()
    for question in shipped(name).questions:
        if not question.is_follow_up and readability(question.text).grade > 7:
            hard.add(question.link_id)
    assert hard == HARD_STEMS & set(shipped(name).by_link_id)
    for link_id in HARD_STEMS & set(shipped(name).by_link_id):
        assert shipped(name).by_link_id[link_id].hint.startswith("What does this mean?")


@pytest.mark.parametrize("name", NAMES)
def test_stems_hints_and_reasons_together_read_like_grade_6_or_less(name):
    questionnaire = shipped(name)
    stems = " ".join(question.text for question in questionnaire.questions)
    hints = " ".join(question.hint for question in questionnaire.questions)
    reasons = " ".join(f"{rule.reason} {rule.advice}" for rule in questionnaire.rules)

    for text in (stems, hints, reasons):
        assert readability(text).grade <= 6


@pytest.mark.parametrize("name", NAMES)
def test_banned_words_are_nowhere_a_patient_reads(name):
    pattern = re.compile(r"\b(" + "|".join(BANNED) + r")\w*", re.IGNORECASE)
    found = [(where, match[0]) for where, text in patient_words(shipped(name)) for match in pattern.finditer(text)]

    assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_told_to_stop_a_cream_that_a_doctor_prescribed(name):
    advice = [rule.advice for rule in shipped(name).rules if rule.id.startswith("active-skincare")]
    told = [words for words in advice if re.search(r"[Ss]top using|do not use", words)]
    assert (
        told
        and [words for words in told if "If a doctor prescribed them, ask us or the doctor first." not in words] == []
    )


@pytest.mark.parametrize("name", NAMES)
def test_sentences_for_patients_are_short(name):
    long = [
        (where, sentence)
        for where, text in patient_words(shipped(name))
        for sentence in re.split(r"(?<=[.?!])\s+", text)
        if len(sentence.split()) > 20
    ]
    assert long == []


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_has_words_for_patients_and_clinicians_and_a_place_that_explains_it(name):
    for rule in shipped(name).rules:
        assert rule.title, rule.id
        assert rule.reason.endswith("."), rule.id
        assert rule.rationale, rule.id
        assert rule.source, rule.id
        assert re.fullmatch(r"who-should-wait#[a-z-]+", rule.anchor), rule.id
        assert set(rule.needs) <= set(NEEDS)
        if rule.effect != "none":
            assert rule.advice.endswith("."), rule.id
        if rule.effect == "defer":
            assert rule.wait or re.search(r"new form|again|recent result", rule.advice), rule.id


def test_blood_thinners_always_say_do_not_stop_your_medicine():
    questionnaire = shipped()
    sentence = "Do not stop your medicine."

    question = questionnaire.by_link_id["blood-thinners"]
    assert question.urgent.startswith(sentence)
    assert question.urgent_codes == ()  # always, whatever is answered
    for rule in questionnaire.rules:
        if rule.id.startswith("blood-thinners") or rule.id == "combination-c1":
            assert sentence in rule.advice, rule.id


def test_no_date_can_be_older_than_its_question_without_a_word():
    """A question about "the last ..." either has a rule for a date before that, or its form asks for the date again."""
    asks_again = {"isotretinoin-last-dose"} | {
        f"recent-procedures-{code}-on"
        for code in ("botulinum", "filler", "laser-light-peel", "needling", "waxing", "operation")
    }
    spoken_of = {"sun-tan-when", "scar-healed-on", "weak-immunity-steroids-ended", "cancer-treatment-ended"}
    questionnaire = shipped()

    assert {question.link_id for question in questionnaire.questions if question.reaches_back} == asks_again
    assert all(questionnaire.by_link_id[link_id].reaches_back == {"months": 12} for link_id in asks_again)
    about_the_last = {
        question.link_id
        for question in questionnaire.questions
        if question.kind == "date" and "the last" in _asked_above(questionnaire, question)
    }
    assert about_the_last == (asks_again | spoken_of) - {"scar-healed-on"}


def _asked_above(questionnaire, question) -> str:
    """The words of the answers and questions that lead to this one."""
    words = ""
    while question.parent:
        parent = questionnaire.by_link_id[question.parent]
        labels = [choice.label for choice in parent.choices if choice.code in question.parent_codes]
        words, question = f"{words} {parent.text} {' '.join(labels)}", parent
    return words


def test_a_changing_mole_is_sent_to_the_gp_at_once():
    question = shipped().by_link_id["changing-mole"]

    assert "see your GP soon" in question.urgent
    assert set(question.urgent_codes) == {"yes", "not-sure"}
    for rule in shipped().rules:
        if rule.id in ("changing-mole-unchecked", "changing-mole-not-sure"):
            assert "your GP soon" in rule.advice


def test_the_worry_about_appearance_is_never_named_back():
    for rule in shipped().rules:
        if "appearance" in rule.id or rule.id == "combination-c11":
            words = f"{rule.title} {rule.reason} {rule.advice} {rule.anchor}".lower()
            for named in ("appearance", "look", "worry", "distress", "thinking", "mind"):
                assert named not in words, rule.id


def test_the_article_list_is_public():
    public = {rule.id for rule in shipped().public_rules()}

    assert public >= {
        "active-skin-infection-yes",
        "rosacea-now",
        "eczema-now",
        "psoriasis-now",
        "keloid-yes",
        "pregnancy-yes",
        "cold-sores-now",
        "isotretinoin-still-taking",
        "breastfeeding-yes",
        "bleeding-disorder-yes",
        "allergy-metal-steel",
        "allergy-numbing-yes",
        "connective-tissue-scleroderma",
        "diabetes-not-controlled",
        "cancer-treatment-now",
        "skin-cancer-area-now",
    }
    assert not any("appearance" in rule or rule.startswith("combination") for rule in public)


def test_no_rule_reads_skin_colour_sex_or_hiv():
    text = json.dumps(asdict(shipped())["questions"]).lower()

    for word in ("ethnic", "gender", "hiv", "hepatitis", "race "):
        assert word not in text
    assert {rule.effect for rule in shipped().rules if rule.id.startswith("dark-marks")} == {"advise"}


def test_every_device_label_is_named_or_said_to_be_missing():
    for name in NAMES:
        assert shipped(name).device_label
        assert shipped(name).version == 1


# ---------------------------------------------------------------- both files


OF_THE_RECHECK = {  # rules that stand in the re-check alone: effect, override
    "active-skincare-under-3-days": ("defer", "O1"),
    **{
        f"recheck-{item}-{answer}": ("review", "O1")
        for item in ("new-medicine-or-diagnosis", "new-procedure", "problems", "unwell")
        for answer in ("yes", "not-sure")
    },
    "recheck-unwell-fever": ("defer", "O0"),
}
# What is said at once, before an answer is even sent on (CLINICAL 2.1): question, answers, words.
AT_ONCE = {
    "microneedling": {
        ("active-skin-infection", ("yes", "not-sure"), "Get medical help today"),
        ("cold-sores", ("now",), "Get medical help today"),
        ("changing-mole", ("yes", "not-sure"), "Please see your GP soon"),
        ("blood-thinners", (), "Do not stop your medicine"),
    },
    "microneedling-recheck": {
        ("active-skin-infection", ("yes", "not-sure"), "Get medical help today"),
        ("cold-sores", ("now",), "Get medical help today"),
        ("recheck-problems", ("yes", "not-sure"), "Get medical help today"),
    },
}


def test_what_both_ask_they_judge_alike():
    full, again = shipped(), shipped("microneedling-recheck")
    rules = {rule.id: rule for rule in full.rules}
    assert {rule.id: (rule.effect, rule.override) for rule in again.rules if rule.id not in rules} == OF_THE_RECHECK
    for rule in again.rules:
        same = ("when", "effect", "override", "needs", "wait", "ask_again")
        if rule.id in rules:
            assert [getattr(rule, name) for name in same] == [getattr(rules[rule.id], name) for name in same], rule.id
    for question in again.questions:
        if other := full.by_link_id.get(question.link_id):
            assert asdict(question) | {"section": ""} == asdict(other) | {"section": ""}


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_wait_is_said_for_these_answers(name):
    said = {(q.link_id, q.urgent_codes): q.urgent for q in shipped(name).questions if q.urgent}
    wanted = {(link_id, codes): words for link_id, codes, words in AT_ONCE[name]}
    assert said.keys() == wanted.keys()
    assert all(said[key].startswith(words) for key, words in wanted.items())
