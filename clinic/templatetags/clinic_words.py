"""What a machine says, as a person would say it."""

import re
from collections.abc import Iterable

from django import template
from django.forms import BoundField
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _

register = template.Library()

# The first one found counts: most browsers name others too.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)
PICTURES = re.compile(r'<img [^>]*icon-[^>]*alt="(True|False|None)">')
# Errors whose words do not tell what they are about.
NAMELESS = ("max_length", "once", "far_year", "null_characters_not_allowed")


@register.filter
def listed(field: BoundField) -> list[str]:
    """The errors of a field for the list before a form, each with the field's label where it does not name it."""
    label = str(field.label) if str(field.label).endswith("?") else f"{field.label}:"
    return [
        f"{label} {words}" if problem.code in NAMELESS else words
        for problem in field.errors.as_data()
        for words in problem.messages
    ]


@register.filter
def device(user_agent: str) -> str:
    """`Firefox on Android`, from what a browser says of itself; `a browser` where that says nothing we know."""
    browser = next((name for sign, name in BROWSERS if sign in user_agent), _("a browser"))
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    return _("%(browser)s on %(system)s") % {"browser": browser, "system": system} if system else browser


@register.filter
def under(cells: Iterable[SafeString], headers: Iterable[dict]) -> list[SafeString]:
    """The cells of a row of a staff list, each told its heading, for a page where none stands above it; with words in
    place of Django's pictures of yes and no."""
    return [
        mark_safe(  # noqa: S308
            PICTURES.sub(
                in_words, cell.replace(" ", format_html(' data-heading="{}" ', capfirst(str(header["text"]))), 1)
            )
        )
        for cell, header in zip(cells, headers, strict=True)
    ]


def in_words(picture: re.Match) -> str:
    """Yes, no, or a dash where nobody knows."""
    return {"True": escape(_("Yes")), "False": escape(_("No"))}.get(picture[1], "–")
