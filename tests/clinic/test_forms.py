"""A date in three boxes: what it understands, refuses and says, and that nothing typed is lost; one answer a field;
a name that can be read; a phone number of any of our places."""

import uuid
from datetime import date

import pytest
from django import forms
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from clinic.forms import AnsweredOnce, PhoneField, ThreePartDateField, month_number
from clinic.models import CallBack
from clinic.visible import NameField
from tests.make import make_location

WHOLE = ThreePartDateField(label="Date")
PARTIAL = ThreePartDateField(label="Date", allow_partial=True)
UNKNOWN = ThreePartDateField(label="Date", allow_partial=True, allow_unknown=True)


def form_with(field: ThreePartDateField, **typed: str) -> forms.Form:
    """A bound form with one date, `on`, of which the given parts were typed."""
    form_class = type("OneDate", (forms.Form,), {"on": field})
    data = QueryDict(mutable=True)
    data.update({f"on_{part}": text for part, text in typed.items()})
    return form_class(data)


def answer(field: ThreePartDateField, **typed: str):
    form = form_with(field, **typed)
    assert form.is_valid(), form.errors
    return form.cleaned_data["on"]


def sentence(field: ThreePartDateField, **typed: str) -> str:
    form = form_with(field, **typed)
    assert not form.is_valid()
    return form.errors["on"][0]


@pytest.mark.parametrize("month", ["8", "08", "August", "august", "AUG", "aug.", "  August  ", "٨"])
def test_a_month_may_be_a_number_or_a_name(month):
    assert answer(WHOLE, day="31", month=month, year="2026") == date(2026, 8, 31)


def test_september_has_two_short_names():
    assert month_number("sep") == month_number("sept") == month_number("Sept.") == 9


@pytest.mark.parametrize("month", ["0", "13", "008", "Augustus", "ma", "-1", "²", "8.0", "", "\0"])
def test_what_is_no_month_is_refused(month):
    assert month_number(month) is None


def test_a_whole_date_is_a_date_and_with_partial_dates_allowed_the_text_of_an_answer():
    assert answer(WHOLE, day="1", month="2", year="2026") == date(2026, 2, 1)
    assert answer(PARTIAL, day="1", month="2", year="2026") == "2026-02-01"
    assert answer(PARTIAL, month="2", year="2026") == "2026-02"
    assert answer(PARTIAL, year="2026") == "2026"
    assert answer(UNKNOWN, unknown="on") == "unknown"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"month": "2", "year": "2026"}, "the day as well"),
        ({"day": "1", "year": "2026"}, "the month as well"),
        ({"day": "1", "month": "2"}, "the year as well"),
        ({}, "Write the day, month and year"),
        ({"day": "32", "month": "2", "year": "2026"}, "day as a number"),
        ({"day": "x", "month": "2", "year": "2026"}, "day as a number"),
        ({"day": "1", "month": "2", "year": "26"}, "four figures"),
        ({"day": "1", "month": "2", "year": "0026"}, "four figures"),
        ({"day": "1", "month": "2", "year": "1800"}, "look at the year again"),
        ({"day": "1", "month": "Febuary", "year": "2026"}, "name such as August"),
        ({"day": "31", "month": "2", "year": "2026"}, "no 31 February 2026"),
        ({"day": "29", "month": "feb", "year": "2027"}, "no 29 February 2027"),
    ],
)
def test_an_error_says_what_to_do(typed, words):
    assert words in sentence(WHOLE, **typed)


def test_a_day_needs_a_month_also_where_partial_dates_are_allowed():
    assert "month as well" in sentence(PARTIAL, day="3", year="2026")
    assert "year as well" in sentence(PARTIAL, month="3")
    assert "as much of it as you remember" in sentence(PARTIAL)
    assert "I do not remember" in sentence(UNKNOWN)


def test_a_date_and_not_remembering_it_contradict_each_other():
    assert "not both" in sentence(UNKNOWN, day="1", month="2", year="2026", unknown="on")


def test_not_remembering_counts_only_where_it_is_offered():
    assert "Write the day" in sentence(WHOLE, unknown="on")
    assert "I do not remember" not in form_with(WHOLE).as_div()
    assert "I do not remember" in form_with(UNKNOWN).as_div()


def test_an_empty_date_that_is_not_required_is_none():
    assert answer(ThreePartDateField(required=False)) is None
    assert answer(ThreePartDateField(required=False, allow_partial=True)) is None


def test_what_was_typed_stays():
    html = form_with(WHOLE, day="31", month="Febuary", year="2026").as_div()
    assert 'value="31"' in html
    assert 'value="Febuary"' in html
    assert 'value="2026"' in html


def test_an_earlier_answer_is_shown_again():
    for value in (date(2026, 8, 3), "2026-08-03"):
        html = UNKNOWN.widget.render("on", value, {"id": "id_on"})
        assert 'id="id_on_day" value="3"' in html
        assert 'id="id_on_month" value="8"' in html
        assert 'id="id_on_year" value="2026"' in html
    assert 'id="id_on_day" value=""' in UNKNOWN.widget.render("on", "2026-08", {"id": "id_on"})
    assert "checked" in UNKNOWN.widget.render("on", "unknown", {"id": "id_on"})


def test_each_box_has_its_label_and_the_group_is_a_fieldset():
    form = form_with(ThreePartDateField(label="Your date of birth", autocomplete="bday"))
    html = form.as_div()
    assert "<fieldset" in html and "<legend" in html
    for part in ("day", "month", "year"):
        assert f'for="id_on_{part}"' in html and f'id="id_on_{part}"' in html
        assert f'autocomplete="bday-{part}"' in html
    assert form["on"].id_for_label == "id_on_day"


def test_bad_bytes_and_floods_are_refused_and_can_be_shown_again():
    form = form_with(WHOLE, day="3\0", month="\ud800" * 3, year="9" * 10_000)
    assert not form.is_valid()
    html = form.as_div()
    html.encode("utf-8")
    assert "\0" not in html
    assert "9" * 100 not in html


def test_an_unchanged_date_is_not_a_change():
    field = ThreePartDateField()
    typed = {"day": "3", "month": "8", "year": "2026", "unknown": ""}
    assert not field.has_changed(date(2026, 8, 3), typed)
    assert field.has_changed(date(2026, 8, 4), typed)
    assert field.has_changed(date(2026, 8, 3), typed | {"day": "x"})
    assert not field.has_changed(None, {"day": "", "month": "", "year": "", "unknown": ""})


@given(day=st.text(), month=st.text(), year=st.text(), unknown=st.sampled_from(["", "on", "x"]))
def test_whatever_is_typed_gives_a_date_or_a_sentence(day, month, year, unknown):
    for field in (WHOLE, PARTIAL, UNKNOWN):
        form = form_with(field, day=day, month=month, year=year, unknown=unknown)
        if form.is_valid():
            value = form.cleaned_data["on"]
            assert isinstance(value, date) or value == "unknown" or value.isascii()
        else:
            assert form.errors["on"][0].endswith(".")
        form.as_div().encode("utf-8")


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2199, 12, 31)))
def test_every_real_date_goes_in_and_comes_out(day):
    typed = {"day": str(day.day), "month": day.strftime("%B"), "year": str(day.year)}
    assert answer(WHOLE, **typed) == day
    assert answer(PARTIAL, **typed) == day.isoformat()


# ---------------------------------------------------------------- one answer


class Asked(AnsweredOnce):
    is_well = forms.ChoiceField(choices=[("yes", "Yes"), ("no", "No")], widget=forms.RadioSelect)
    words = forms.CharField(required=False)
    where = forms.MultipleChoiceField(choices=[("face", "Face"), ("chest", "Chest")], required=False)
    when = ThreePartDateField(required=False)


WHEN = "when_day=4&when_month=5&when_year=1990"


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        (f"is_well=no&words=a&where=face&where=chest&{WHEN}", []),
        ("is_well=no&is_well=no&words=a&words=a", []),
        ("is_well=yes&is_well=no", ["is_well"]),
        ("is_well=yes&is_well=perhaps", ["is_well"]),
        ("is_well=no&words=a&words=", ["words"]),
        (f"is_well=no&{WHEN}&when_year=2015", ["when"]),
        (f"is_well=no&{WHEN}&when_day=x", ["when"]),
    ],
)
@pytest.mark.parametrize("prefix", [None, "p"])
def test_what_takes_one_answer_takes_no_two(sent, wrong, prefix):
    if prefix:
        sent = "&".join(f"p-{part}" for part in sent.split("&"))
    form = Asked(QueryDict(sent), prefix=prefix)
    assert form.errors == {name: ["Please answer this once."] for name in wrong}


def test_of_two_answers_none_is_shown_as_chosen_and_what_was_typed_stays():
    form = Asked(QueryDict(f"is_well=yes&is_well=no&words=a&words=b&where=face&{WHEN}"))
    assert not form.is_valid()
    assert "checked" not in str(form["is_well"])
    assert (form["words"].value(), form["where"].value(), form["when"].value()["year"]) == ("b", ["face"], "1990")


# ---------------------------------------------------------------- a name


@pytest.mark.parametrize(
    "typed",
    [
        "\u200b",
        "Ada\u202e",
        "\u2060Ada",
        "A\u00adda",
        "\u3164",
        "\u115f\u1160",
        "\u2800",
        "Ada\uffa0",
        "\u200d",
        "Ada\u200c",
    ]
    + ["Ada \u200dLow", "Ada\u2028Low", "Ada\nLow", "Ada\tLow", "Ada\x07", "Ada\ufffd"],
    ids=ascii,
)
def test_a_name_holds_nothing_that_cannot_be_seen(typed):
    with pytest.raises(forms.ValidationError, match="invisible character in this name"):
        NameField().clean(typed)


@pytest.mark.parametrize("typed", [".", "123", "@@@", "\u0301"], ids=ascii)
def test_a_name_has_a_letter(typed):
    with pytest.raises(forms.ValidationError, match="with letters"):
        NameField().clean(typed)


@pytest.mark.parametrize(
    "typed",
    ["Ada O’Brien-Low, Jr.", "X Æ A-12", "Zoe\u0308", "李", "김민준", "Ẹ̀ṣọ́"]
    # Persian with a joiner that keeps letters apart; Malayalam, whose words may end with one behind a mark.
    + ["علی\u200cرضا", "സുരേന്ദ്രന\u0d4d\u200d", "ක්\u200dරිස්"],
)
def test_a_name_may_be_written_in_any_script(typed):
    assert NameField().clean(typed) == typed


# ---------------------------------------------------------------- a phone number


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "place", "number"),
    [
        ("9949 1234", None, "+35699491234"),
        ("21 123456", None, "+35621123456"),
        ("+356 7912 3456", None, "+35679123456"),
        ("207 946 0018", None, "+442079460018"),  # in London as in Maine: the site's country comes first
        ("207 946 0018", "+12125552368", "+12079460018"),  # but that of the place first of all
        ("020 7946 0018", "+12125552368", "+442079460018"),
        ("212 555 2368", None, None),  # that place is closed
    ],
)
def test_a_number_is_one_of_the_place_or_of_the_site_or_of_any_open_place(typed, place, number):
    make_location(phone="+35621234567")
    make_location(phone="+12125552368", is_active=False)
    field = PhoneField()
    field.place = make_location(phone=place) if place else None
    if number is not None:
        assert field.clean(typed).as_e164 == number
        return
    with pytest.raises(forms.ValidationError, match="or with \\+ and the country’s code"):
        field.clean(typed)


@pytest.mark.parametrize("typed", ["020 7946 0018 ext 204", "+44 20 7946 0018 x204", "020 7946 0018 #204"])
def test_an_extension_is_not_dropped_in_silence(typed):
    with pytest.raises(forms.ValidationError, match="Write the number without an extension"):
        PhoneField().clean(typed)


@pytest.mark.django_db
def test_who_wants_to_be_rung_writes_the_number_as_people_at_our_places_do(client):
    make_location(phone="+35621234567")
    asked = {"name": "Carla Borg", "phone": "9949 1234", "about": "talk", "request_key": str(uuid.uuid4())}
    assert client.post("/call-back/", asked).url == "/call-back/thanks/"
    assert CallBack.objects.get().phone.as_e164 == "+35699491234"
