"""Texts in which everything can be seen: no control characters, and not the sign for what no page can show."""

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

# Line breaks and tabs are not among them.
UNSEEN = r"\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd"

all_visible = RegexValidator(
    f"[{UNSEEN}]", _("There is an invisible character in this text. Please type it again."), inverse_match=True
)


class NameField(forms.CharField):
    """Somebody's name. It goes into letters and calendars, so it has no line breaks either."""

    default_validators = [
        RegexValidator(rf"[{UNSEEN}\t\n\r]", _("Please write the name with letters only."), inverse_match=True)
    ]
