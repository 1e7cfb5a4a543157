"""What a patient fills in while booking: a chosen time, and who they are."""

from datetime import date
from typing import cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from booking.availability import Slot
from clinic.forms import AnsweredOnce, PhoneField, ThreePartDateField
from clinic.models import Location
from clinic.visible import NameField


class SlotField(forms.CharField):
    """One time of those that were offered: cleaned it is a `Slot`, still to be checked by a verb."""

    default_error_messages = {"required": _("Choose a time.")}

    def clean(self, value) -> Slot:
        try:
            return Slot.from_key(super().clean(value))
        except (ValueError, OverflowError):
            raise ValidationError(_("Choose one of the times on this page.")) from None


class ChosenTimeForm(AnsweredOnce):
    """One time of those that were offered."""

    start = SlotField(label=_("Time"))
    # Makes a form that is sent twice count once; without it, each press counts by itself.
    request_key = forms.UUIDField(
        widget=forms.HiddenInput, required=False, error_messages={"invalid": _("Please choose the time once more.")}
    )


class DetailsForm(AnsweredOnce):
    """Who comes, to `place` if that is known. The birth date is asked only where no screening has asked it: with
    `ask_birth_date`."""

    name = NameField(
        label=_("Your full name"),
        max_length=150,
        error_messages={"required": _("Write your full name.")},
        widget=forms.TextInput(attrs={"autocomplete": "name", "spellcheck": "false"}),
    )
    phone = PhoneField(
        label=_("Your phone number"),
        max_length=60,
        help_text=_("We ring you only about this appointment."),
        error_messages={"required": _("Write a phone number, so that we can reach you.")},
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel", "class": "input-middle"}),
    )
    email = forms.EmailField(
        label=_("Your e-mail address"),
        max_length=254,
        help_text=_("We send a code to it, to be sure that it is yours."),
        error_messages={
            "required": _("Write your e-mail address."),
            "invalid": _("Write an e-mail address such as name@example.org."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false", "autocapitalize": "none"}),
    )
    birth_date = ThreePartDateField(
        label=_("Your date of birth"),
        help_text=_("For example 27 3 1985. It tells us apart from others with your name."),
        autocomplete="bday",
        error_messages={"year": _("Please check the year of your date of birth: four figures, such as 1985.")},
    )

    def __init__(self, *args, ask_birth_date: bool, today: date, place: Location | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        cast(PhoneField, self.fields["phone"]).place = place
        if not ask_birth_date:
            del self.fields["birth_date"]
        for name, field in self.fields.items():
            if name != "birth_date":
                field.widget.attrs.pop("maxlength", None)  # too long is said, not cut off

    def clean_birth_date(self) -> date:
        """A day that has been, in this or the last century."""
        born = self.cleaned_data["birth_date"]
        if born >= self.today or born.year < self.today.year - 120:
            raise ValidationError(_("Please check the year of your date of birth."))
        return born
