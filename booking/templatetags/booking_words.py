"""Times, places and money as a person reads them: always the clock on the wall of the place that is meant."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django import template
from django.utils import timezone
from django.utils.dateformat import format as written
from django.utils.translation import gettext as _

from clinic import zones
from clinic.models import Location

register = template.Library()

# The sign stands before the number where every reader knows it; otherwise the three letters stand behind.
SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}


def _zone(place: "Location | str | None") -> ZoneInfo:
    if place is None:
        raise ValueError("An instant has a day and a time only at a place.")
    return place.zone if isinstance(place, Location) else ZoneInfo(place)


@register.filter
def day(moment: "datetime | date", place: "Location | str | None" = None) -> str:
    """`Thursday 4 December`, with the year where it is not this year's. An instant needs its place (or zone)."""
    local = moment.astimezone(_zone(place)).date() if isinstance(moment, datetime) else moment
    return written(local, "l j F" if local.year == timezone.localdate().year else "l j F Y")


@register.filter
def clock(moment: datetime, place: "Location | str") -> str:
    """`10:30` on the wall of that place."""
    return written(moment.astimezone(_zone(place)), "H:i")


@register.filter
def zone_words(place: "Location | str") -> str:
    """`Lisbon time`, for where a clinic has places in several time zones."""
    return zones.zone_words(_zone(place))


@register.filter
def money(amount: "Decimal | None", currency: str) -> str:
    """`£180`, `€72.50`, `180 CHF`; empty where there is no price."""
    if amount is None:
        return ""
    number = f"{amount:,.0f}" if amount == amount.to_integral_value() else f"{amount:,.2f}"
    return f"{SIGNS[currency]}{number}" if currency in SIGNS else f"{number} {currency}"


@register.filter
def gap(days: int) -> str:
    """`4 weeks` where days make whole weeks, otherwise `10 days`."""
    if days and days % 7 == 0:
        weeks = days // 7
        return _("1 week") if weeks == 1 else _("%(number)s weeks") % {"number": weeks}
    return _("1 day") if days == 1 else _("%(number)s days") % {"number": days}
