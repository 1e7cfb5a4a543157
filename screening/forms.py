"""The forms of the patient's screening pages: one for each step of a questionnaire, and the small ones around them.

A form's manners: everything asked is required, nothing is chosen beforehand, a follow-up counts only when its parent's
answer calls for it. What an answer means is not its business: nothing here hints at it.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac
from django.utils.html import escape
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.forms import AnsweredOnce, ThreePartDateField
from screening.answers import is_blank
from screening.questionnaires import BIRTH_DATE, Question, read_date
from screening.steps import Step

LONGEST_TEXT = 2000
LONGEST_REPLY = 4000
DECLARATION = gettext_lazy(
    "What I have written is true, as far as I know. If something changes before my visit, I will tell you."
)


# ---------------------------------------------------------------- fields


class NumberField(forms.FloatField):
    """A number typed as text, with a point or a comma. Returns an int where it is whole."""

    widget = forms.TextInput

    def to_python(self, value: object) -> int | float | None:  # type: ignore[override]
        if isinstance(value, str):
            value = value.strip().replace(",", ".")
        number = super().to_python(value)
        return int(number) if number is not None and number.is_integer() else number


def _field(question: Question, above: Question | None = None) -> forms.Field:
    """The form field of one question; `above` is the one it follows, which an error has to name as well: “What is it?”
    alone says nothing in a list. Hints come from the author and are escaped here: crispy marks help texts as HTML."""
    please = _("Please answer: %(question)s") % {"question": question.text}
    if above is not None:
        please = _("Please answer: %(question)s (after “%(above)s”)") % {"question": question.text, "above": above.text}
    words: dict[str, Any] = {"label": question.text, "help_text": escape(question.hint)}
    choices = [(choice.code, choice.label) for choice in question.choices]
    if question.kind == "choice":
        errors = {"required": please, "invalid_choice": please}
        return forms.ChoiceField(choices=choices, widget=forms.RadioSelect, error_messages=errors, **words)
    if question.kind == "choices":
        errors = {"required": please, "invalid_choice": please, "invalid_list": please}
        return forms.MultipleChoiceField(
            choices=choices, widget=forms.CheckboxSelectMultiple, error_messages=errors, **words
        )
    if question.kind == "day":
        date_field = ThreePartDateField(autocomplete="bday" if question.link_id == BIRTH_DATE else "", **words)
        date_field.error_messages["required"] = please
        return date_field
    if question.kind == "date":
        date_field = ThreePartDateField(allow_partial=True, allow_unknown=True, **words)
        date_field.error_messages["required"] = please
        return date_field
    words["error_messages"] = {"required": please}
    if question.kind == "number":
        return _number_field(question, words)
    field = forms.CharField(max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 3}), **words)
    # The browser must not cut off what somebody pastes: they would not notice.
    field.widget.attrs.pop("maxlength", None)
    return field


def _number_field(question: Question, words: dict[str, Any]) -> NumberField:
    low, high = question.minimum, question.maximum
    if low is not None and high is not None:
        wrong = _("Please write a number from %(low)s to %(high)s: %(question)s") % {
            "low": f"{low:g}",
            "high": f"{high:g}",
            "question": question.text,
        }
    else:
        wrong = _("Please write a number, such as 2 or 2.5: %(question)s") % {"question": question.text}
    words["error_messages"]["invalid"] = wrong
    field = NumberField(widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "input-short"}), **words)

    def within(value: float) -> None:
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValidationError(wrong, code="range")

    field.validators.append(within)
    return field


def _initial(question: Question, value: Any) -> Any:
    return f"{value:g}" if question.kind == "number" and isinstance(value, (int, float)) else value


# ---------------------------------------------------------------- the form of a step


class StepForm(AnsweredOnce):
    """The questions of one step. `answers()` gives what to save: a value for each question, None where there is none.

    answers: all that was answered so far. today: the local day, for dates that must lie in the past.
    lenient: for "save and leave": what is missing may stay missing; what is wrong is still said.
    """

    def __init__(self, data=None, *, step: Step, answers: Mapping[str, Any], today: date, lenient: bool = False):
        self.step, self.today, self.lenient = step, today, lenient
        given = {q.link_id: _initial(q, answers[q.link_id]) for q in step.questions if q.link_id in answers}
        super().__init__(data, initial=given)
        by_link_id = {question.link_id: question for question in step.questions}
        for question in step.questions:
            field = _field(question, by_link_id.get(question.parent))
            field.required = question.required and not question.is_follow_up and not lenient
            # The template of a field says "(optional)" unless it is asked because of another answer.
            setattr(field, "conditional", question.required)  # noqa: B010 - the type knows nothing of it
            self.fields[question.link_id] = field

    def clean(self) -> dict[str, Any]:
        """Drops follow-ups that were not called for, with whatever is wrong with them; requires those that were.

        What somebody wrote by hand under an answer that does not call for it contradicts that answer (a boil described
        under "No"), and nobody would read it: they are asked which is right.
        """
        cleaned: dict[str, Any] = super().clean() or {}
        for question in self.step.questions:
            name = question.link_id
            if not self._is_called_for(question):
                self.errors.pop(name, None)
                cleaned[name] = None
                if self._is_written_anyway(question):
                    words = _("You wrote something at “%(question)s”. Please clear it, or change your answer here.")
                    self.add_error(question.parent, words % {"question": question.text})
                continue
            if name in self.errors:
                continue
            if question.kind in ("day", "date"):
                self._check_date(question)
            elif question.kind == "choices":
                self._check_list(question)
            needed = question.is_follow_up and question.required and not self.lenient
            if needed and name not in self.errors and is_blank(cleaned.get(name)):
                self.add_error(name, self.fields[name].error_messages["required"])
        return cleaned

    def answers(self) -> dict[str, Any]:
        """JSON values by link_id; None takes an answer away. Only of a valid form."""
        found = {}
        for question in self.step.questions:
            value = self.cleaned_data.get(question.link_id)
            if isinstance(value, date):
                value = value.isoformat()
            found[question.link_id] = None if is_blank(value) else value
        return found

    def tree(self) -> list[dict[str, Any]]:
        """Questions with their follow-ups inside, for the template."""
        return [self._branch(question) for question in self.step.questions if not question.is_follow_up]

    def _branch(self, question: Question) -> dict[str, Any]:
        blocks: dict[tuple[str, ...], dict[str, Any]] = {}
        for follow_up in self.step.questions:
            if follow_up.parent == question.link_id:
                block = blocks.setdefault(
                    follow_up.parent_codes,
                    {
                        "id": f"if-{follow_up.link_id}",
                        "parent": question.link_id,
                        "codes": " ".join(follow_up.parent_codes),
                        "when": _when(question, follow_up.parent_codes),
                        "questions": [],
                    },
                )
                block["questions"].append(self._branch(follow_up))
        always = question.urgent if question.urgent and not question.urgent_codes else ""
        return {"field": self[question.link_id], "notice": always, "blocks": list(blocks.values())}

    def _is_called_for(self, question: Question) -> bool:
        if not question.is_follow_up:
            return True
        if question.parent in self.errors:
            return False  # the parent is asked again first
        value = self.cleaned_data.get(question.parent)
        if not question.parent_codes:
            return not is_blank(value)
        codes = value if isinstance(value, list) else [value]
        return any(code in question.parent_codes for code in codes)

    def _is_written_anyway(self, question: Question) -> bool:
        """Whether something was written now (not on an earlier visit to the page) that the answer above leaves no room
        for. Choices do not count: without scripts nobody can take one back."""
        name, kept = question.link_id, {} if question.kind in ("choice", "choices") else self.data
        answer_above = self.cleaned_data.get(question.parent)
        if question.parent in self.errors or is_blank(answer_above) or name not in self.changed_data:
            return False
        return any(str(kept.get(box, "")).strip() for box in self._boxes(name, self.fields[name]))

    def _check_date(self, question: Question) -> None:
        value = self.cleaned_data.get(question.link_id)
        given = read_date(value.isoformat() if isinstance(value, date) else value)
        if given is None or given.precision == "unknown":
            return
        if question.tense == "past" and given.first > self.today:
            words = _("%(question)s This date has not come yet. Please look at it again.")
            self.add_error(question.link_id, words % {"question": question.text})
        elif question.is_before_its_time(given, self.today):
            words = _(
                "%(question)s This is longer ago than we asked about. "
                "Please change the date or what you chose above it."
            )
            self.add_error(question.link_id, words % {"question": question.text})

    def _check_list(self, question: Question) -> None:
        chosen = list(dict.fromkeys(self.cleaned_data.get(question.link_id) or []))
        self.cleaned_data[question.link_id] = chosen
        alone = [choice.label for choice in question.choices if choice.code in question.exclusive]
        if len(chosen) > 1 and any(code in question.exclusive for code in chosen):
            words = _("You chose “%(label)s” and something else. Please choose one or the other.")
            self.add_error(question.link_id, words % {"label": alone[0]})


def _when(parent: Question, codes: tuple[str, ...]) -> str:
    """The words above a follow-up: "If yes:", or the answers that it belongs to."""
    labels = {choice.code: choice.label for choice in parent.choices}
    if not codes:
        return _("If you answered this:")
    if codes == ("yes",):
        return _("If yes:")
    if codes == ("no",):
        return _("If no:")
    others = [code for code in labels if code not in codes]
    if len(codes) > 2 and len(others) == 1:
        return _("Unless you chose “%(label)s”:") % {"label": labels[others[0]]}
    chosen = [f"“{labels.get(code, code)}”" for code in codes]
    return _("If you chose %(labels)s:") % {"labels": get_text_list(chosen, _("or"))}


# ---------------------------------------------------------------- around the steps


class StartForm(AnsweredOnce):
    """Before the first question: the agreement to keep answers about health. `treatment` is a slug, or empty."""

    treatment = forms.CharField(required=False, max_length=50, widget=forms.HiddenInput)
    agree = forms.BooleanField(
        label=gettext_lazy("I agree that you keep my answers and that your clinicians read them."),
        error_messages={"required": gettext_lazy("Please tick the box if you agree. Without it we cannot ask you.")},
    )


class CheckForm(AnsweredOnce):
    """The declaration at the end. `shown` says for which answers: see `fingerprint`."""

    shown = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
    declare = forms.BooleanField(
        label=DECLARATION,
        error_messages={"required": gettext_lazy("Please tick the box before you send your answers.")},
    )


def fingerprint(shown: Mapping[str, Any]) -> str:
    """A mark of exactly this that says nothing about it: what is declared or signed is what was on the page, not what
    another window, or somebody else, made of it since."""
    return salted_hmac("screening.check", json.dumps(shown, sort_keys=True), algorithm="sha256").hexdigest()


class BirthDateForm(AnsweredOnce):
    """The birth date again, after somebody was away from the device."""

    birth_date = ThreePartDateField(label=gettext_lazy("What is your date of birth?"), autocomplete="bday")
    to = forms.CharField(required=False, max_length=10, widget=forms.HiddenInput)


class ReplyForm(AnsweredOnce):
    """What the patient answers to a clinician's question."""

    text = forms.CharField(
        label=gettext_lazy("Your answer"),
        max_length=LONGEST_REPLY,
        widget=forms.Textarea(attrs={"rows": 8}),
        error_messages={"required": gettext_lazy("Please write your answer.")},
    )
