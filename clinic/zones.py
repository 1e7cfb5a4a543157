"""Whose clock a time is on, in words, where the clinic has places in several time zones."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from clinic.models import Location


def zone_words(zone: ZoneInfo) -> str:
    """`Lisbon time`."""
    return _("%(city)s time") % {"city": zone.key.rsplit("/", 1)[-1].replace("_", " ")}


def several_zones(locations: Iterable[Location]) -> bool:
    """Whether a time needs its zone beside it."""
    return len({location.time_zone for location in locations}) > 1


def zone_beside(place: Location, locations: Iterable[Location] | None = None) -> str:
    """What stands behind a clock at this place where the clinic has places in several zones: ` (Lisbon time)`.

    locations: where patients are seen; read here where they are not known.
    """
    if locations is None:
        locations = Location.objects.filter(is_active=True)
    return f" ({zone_words(place.zone)})" if several_zones(locations) else ""
