"""How an answer is shown again in words."""

from datetime import date
from typing import Any

from django import template
from django.template.defaultfilters import linebreaksbr
from django.utils import formats
from django.utils.safestring import SafeString
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from screening.questionnaires import UNKNOWN_DATE

register = template.Library()


@register.simple_tag
def answer(item: dict[str, Any]) -> str | SafeString:
    """`{% answer item %}`: the answer of one snapshot (screening.responses.items_of) in the words that were chosen."""
    value, kind = item["value"], item["kind"]
    if kind in ("choice", "choices"):
        return get_text_list(item["labels"], _("and")) if item["labels"] else str(value)
    if kind in ("day", "date"):
        return date_in_words(value)
    if kind == "text":
        return linebreaksbr(str(value))
    return f"{value:g} {item.get('unit', '')}".strip() if isinstance(value, (int, float)) else str(value)


def date_in_words(value: Any) -> str:
    """`2026-08-31`, `2026-08`, `2026` or `unknown` as a person would say it; anything else as it is."""
    if value == UNKNOWN_DATE:
        return _("I do not remember")
    try:
        year, *rest = (int(part) for part in str(value).split("-"))
        if not rest:
            return str(year)
        if len(rest) == 1:
            return formats.date_format(date(year, rest[0], 1), "F Y")
        return formats.date_format(date(year, *rest), "j F Y")
    except (TypeError, ValueError):
        return str(value)
