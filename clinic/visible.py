"""Texts in which everything can be seen: no control characters, and not the sign for what no page can show. Names and
the words for a picture have a letter, too: of signs that show nothing, nobody could be called, and nothing read out."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from unicodedata import category

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

INVISIBLE = _("There is an invisible character in this text. Please type it again.")
# Line breaks and tabs are not among them.
UNSEEN = r"\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd"

all_visible = RegexValidator(f"[{UNSEEN}]", INVISIBLE, inverse_match=True)

# Unicode counts these as letters and signs, and they show nothing.
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
# What joins letters, or keeps them apart, in Persian, Malayalam and others.
JOINERS = "\u200c\u200d"


def shows_nothing(before: str, character: str, after: str) -> bool:
    """Whether a character has no place in a line: it breaks it, turns it round, or is not seen. Joiners have one
    between letters, and behind a mark, where words of some scripts end with them. (Django itself refuses NUL.)"""
    if character in JOINERS:
        is_behind_mark = category(before)[0] == "M" if before else False
        return not is_behind_mark and not (before.isalpha() and bool(after) and category(after)[0] in "LM")
    return character in BLANKS + "\ufffd" or (character != "\0" and category(character) in ("Cc", "Cf", "Zl", "Zp"))


def can_be_seen(line: str) -> bool:
    """Whether every character of a line has a place in it."""
    return not any(map(shows_nothing, ("", *line), line, (*line[1:], "")))


def lines_of(text: str) -> list[str]:
    """The lines of a text as a browser sends it, a tab being the spaces that it looks like."""
    return text.replace("\r\n", "\n").expandtabs().split("\n")


def legible(*, unseen: "StrOrPromise", no_letter: "StrOrPromise", lines: bool = False) -> Callable[[str], None]:
    """A validator for one line in any script, or for several: nothing in it is invisible, and there is at least one
    letter."""

    def validate(text: str) -> None:
        if not all(map(can_be_seen, lines_of(text) if lines else [text])):
            raise ValidationError(unseen, code="unseen")
        if not any(character.isalpha() for character in text):
            raise ValidationError(no_letter, code="no_letter")

    return validate


class NameField(forms.CharField):
    """Somebody's name. It goes into letters and calendars, so it has no line breaks either."""

    default_validators = [
        legible(
            unseen=_("There is an invisible character in this name. Please type it again, with letters only."),
            no_letter=_("Please write the name with letters."),
        )
    ]
