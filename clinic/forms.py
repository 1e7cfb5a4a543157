"""What the forms of several apps share: a date in three boxes, a phone number of any of our places, and one answer to
what takes one."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import phonenumbers
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict
from django.utils.dates import MONTHS
from django.utils.translation import gettext_lazy as _
from phonenumber_field.formfields import PhoneNumberField
from phonenumber_field.phonenumber import PhoneNumber
from phonenumber_field.phonenumber import to_python as read_number

from clinic.days import month_number
from clinic.models import Location

PARTS = ("day", "month", "year")
# Long enough for every month's name; longer input is never a date, and is cut before it is shown again.
LONGEST_PART = 40
FIRST_YEAR, LAST_YEAR = 1900, 2199


def parts_of(value: object) -> dict[str, str]:
    """Day, month, year and `unknown` as texts, of what was typed (a dict), a date, or an answer such as `2026-08`."""
    if isinstance(value, dict):
        return {key: str(value.get(key) or "") for key in (*PARTS, "unknown")}
    text = value.isoformat() if isinstance(value, date) else str(value or "")
    if text == "unknown":
        return {"day": "", "month": "", "year": "", "unknown": "on"}
    year, month, day = [*text.split("-"), "", "", ""][:3]
    return {"day": day.lstrip("0"), "month": month.lstrip("0"), "year": year, "unknown": ""}


class ThreePartDateWidget(forms.Widget):
    """Three text boxes, `NAME_day`, `NAME_month`, `NAME_year`, and if wanted a box `NAME_unknown` to tick.

    `autocomplete="bday"` lets a browser fill in a birth date.
    """

    template_name = "clinic/widgets/three_part_date.html"
    use_fieldset = True
    allow_unknown = False

    def __init__(self, attrs: dict | None = None, *, autocomplete: str = "") -> None:
        super().__init__(attrs)
        self.autocomplete = autocomplete

    def names(self, name: str) -> list[str]:
        """The names of its boxes."""
        return [f"{name}_{part}" for part in (*PARTS, "unknown")]

    def id_for_label(self, id_: str) -> str:
        """The first box: where a link from the error summary leads."""
        return f"{id_}_day" if id_ else ""

    def value_from_datadict(self, data, files, name: str) -> dict[str, str]:
        """What was typed, with a sign for what no page can show (NUL, broken UTF-8): no day and no year has it."""
        return {part: self._shown(data.get(f"{name}_{part}")) for part in (*PARTS, "unknown")}

    def value_omitted_from_data(self, data, files, name: str) -> bool:
        return not any(box in data for box in self.names(name))

    def get_context(self, name: str, value: object, attrs: dict | None) -> dict:
        context = super().get_context(name, None, attrs)
        widget = context["widget"]
        base = widget["attrs"].get("id") or f"id_{name}"
        typed = parts_of(value)
        labels = {"day": _("Day"), "month": _("Month"), "year": _("Year")}
        widget["parts"] = [
            {
                "name": part,
                "label": labels[part],
                "field_name": f"{name}_{part}",
                "id": f"{base}_{part}",
                "value": typed[part],
                "autocomplete": f"{self.autocomplete}-{part}" if self.autocomplete else "off",
                # A month's name is typed with letters.
                "figures": part != "month",
            }
            for part in PARTS
        ]
        widget["allow_unknown"] = self.allow_unknown
        widget["unknown"] = bool(typed["unknown"])
        widget["unknown_name"] = f"{name}_unknown"
        widget["unknown_id"] = f"{base}_unknown"
        widget["wrong"] = bool(widget["attrs"].get("aria-invalid"))
        widget["disabled"] = bool(widget["attrs"].get("disabled"))
        return context

    @staticmethod
    def _shown(value: object) -> str:
        text = "" if value is None else str(value)
        return text[: LONGEST_PART + 1].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8").strip()


class ThreePartDateField(forms.Field):
    """A date typed as day, month and year; months may be names.

    Returns a `datetime.date`, or None when empty and not required. With `allow_partial` or `allow_unknown` it always
    returns the text of an answer instead: `2026-08-31`, `2026-08`, `2026` or `unknown` (None when empty).
    It knows nothing of today: whether a date may lie in the future is decided by the form that uses it.
    Raises ValidationError with a sentence that says what to do; what was typed stays in the boxes.
    """

    widget = ThreePartDateWidget
    default_error_messages = {
        "required": _("Write the day, month and year."),
        "required_partial": _("Write the date, or as much of it as you remember."),
        "required_unknown": _("Write the date, or tick “I do not remember”."),
        "day": _("Write the day as a number from 1 to 31."),
        "month": _("Write the month as a number from 1 to 12, or as a name such as August."),
        "year": _("Write the year with four figures, such as 2026."),
        "far_year": _("Please look at the year again."),
        "day_missing": _("Write the day as well."),
        "month_missing": _("Write the month as well."),
        "year_missing": _("Write the year as well."),
        "impossible": _("There is no %(day)s %(month)s %(year)s. Please check the date."),
        "both": _("Write the date or tick “I do not remember”, not both."),
    }

    def __init__(
        self, *, allow_partial: bool = False, allow_unknown: bool = False, autocomplete: str = "", **kwargs
    ) -> None:
        kwargs.setdefault("widget", ThreePartDateWidget(autocomplete=autocomplete))
        super().__init__(**kwargs)
        self.allow_partial = allow_partial
        self.allow_unknown = allow_unknown
        self.widget.allow_unknown = allow_unknown
        if "required" not in (kwargs.get("error_messages") or {}):
            if allow_unknown:
                self.error_messages["required"] = self.error_messages["required_unknown"]
            elif allow_partial:
                self.error_messages["required"] = self.error_messages["required_partial"]

    def to_python(self, value: object) -> date | str | None:
        parts = parts_of(value)
        typed = {part: text for part in PARTS if (text := parts[part].strip())}
        if parts["unknown"] and self.allow_unknown:
            if typed:
                raise self._wrong("both")
            return "unknown"
        if not typed:
            return None
        year = self._year(typed)
        month = self._month(typed)
        day = self._day(typed)
        if year is None:
            raise self._wrong("year_missing")
        self._refuse_gaps(month, day)
        if month is None or day is None:
            return f"{year:04}" if month is None else f"{year:04}-{month:02}"
        try:
            whole = date(year, month, day)
        except ValueError:
            raise self._wrong("impossible", day=day, month=MONTHS[month], year=year) from None
        return whole.isoformat() if self.allow_partial or self.allow_unknown else whole

    def has_changed(self, initial: object, data: object) -> bool:
        try:
            return self.to_python(initial) != self.to_python(data)
        except ValidationError:
            return True

    def _day(self, typed: dict[str, str]) -> int | None:
        text = typed.get("day")
        if text is None:
            return None
        if not (text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= 31):
            raise self._wrong("day")
        return int(text)

    def _month(self, typed: dict[str, str]) -> int | None:
        text = typed.get("month")
        if text is None:
            return None
        number = month_number(text)
        if number is None:
            raise self._wrong("month")
        return number

    def _year(self, typed: dict[str, str]) -> int | None:
        text = typed.get("year")
        if text is None:
            return None
        if not (text.isdecimal() and len(text) == 4) or text.startswith("0"):
            raise self._wrong("year")
        if not FIRST_YEAR <= int(text) <= LAST_YEAR:
            raise self._wrong("far_year")
        return int(text)

    def _refuse_gaps(self, month: int | None, day: int | None) -> None:
        """Beside the year: a month is needed when there is a day; without `allow_partial` both are."""
        if month is None and (day is not None or not self.allow_partial):
            raise self._wrong("month_missing")
        if day is None and not self.allow_partial:
            raise self._wrong("day_missing")

    def _wrong(self, code: str, **params) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=params or None)


# ---------------------------------------------------------------- a phone number


class PhoneField(PhoneNumberField):
    """A phone number as people write it at one of our places, or with + and the country's code.

    It is read as one of the country of `place`, where that is known, then of the site's, then of those of the open
    places: the first in which there is such a number. The places are asked for only when it is none before. One with an
    extension is refused: only the number is kept, and whoever rings it would reach somebody else.
    """

    default_error_messages = {
        "invalid": _("Write a phone number such as 020 7946 0018, or with + and the country’s code."),
        "extension": _("Write the number without an extension."),
    }
    place: Location | None = None

    def to_python(self, value: Any) -> Any:
        typed = forms.CharField.to_python(self, value)
        for region in self._regions() if typed else ():
            number = read_number(typed, region=region)
            if number.is_valid():
                if number.extension:
                    raise ValidationError(self.error_messages["extension"], code="extension")
                return number
        return read_number(typed, region=self.region)

    def _regions(self) -> Iterator[str | None]:
        if self.place is not None:
            yield region_of(self.place.phone)
        yield settings.PHONENUMBER_DEFAULT_REGION
        yield from dict.fromkeys(
            map(region_of, Location.objects.filter(is_active=True).values_list("phone", flat=True))
        )


def region_of(number: PhoneNumber) -> str | None:
    """The country a number belongs to, as two capitals."""
    return phonenumbers.region_code_for_number(number)


# ---------------------------------------------------------------- one answer

ONCE = _("Please answer this once.")


def is_answered_twice(data: object, name: str) -> bool:
    """Whether different values came for one name. A browser sends no such thing; Django would take the last of them."""
    return isinstance(data, MultiValueDict) and len(set(data.getlist(name))) > 1


class OneAnswer(forms.BaseForm):
    """For a form that takes no two different values for a field that takes one: a yes must not hide behind a no.

    Such a field has an error. What was typed into the others stays; of choices none is chosen any more, for whichever
    were shown as chosen could be sent again without being looked at. Lists may have as many as they like.
    """

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name, field in self.fields.items():
            if any(is_answered_twice(self.data, box) for box in self._boxes(name, field)):
                self.errors.pop(name, None)
                self.add_error(name, ValidationError(ONCE, code="once"))
                self._choose_nothing(name, field)
        return cleaned

    def _boxes(self, name: str, field: forms.Field) -> list[str]:
        """The names under which a field that takes one value is sent; none for a list."""
        if isinstance(field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField):
            return []
        whole = self.add_prefix(name)
        return field.widget.names(whole) if isinstance(field.widget, ThreePartDateWidget) else [whole]

    def _choose_nothing(self, name: str, field: forms.Field) -> None:
        if isinstance(field, forms.ChoiceField) and isinstance(self.data, MultiValueDict):
            data = self.data.copy()
            data.setlist(self.add_prefix(name), [])
            self.data = data


class AnsweredOnce(OneAnswer, forms.Form):
    """A form that takes one answer where it asks for one."""


class RecordAnsweredOnce(OneAnswer, forms.ModelForm):
    """A form of a row that takes one answer where it asks for one. Its labels end without a colon, as on every page."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
