"""What every page may show: the clinic and its places."""

from django.utils.functional import SimpleLazyObject

from clinic.models import Clinic, Location

_last_known: Clinic | None = None


def last_known() -> Clinic | None:
    """The clinic as this process last showed it, for the page of a broken server: asks the database nothing."""
    return _last_known


def _read() -> Clinic | None:
    global _last_known
    _last_known = Clinic.get()
    return _last_known


def clinic(request) -> dict:
    """`clinic` (None before set-up) and `locations`, each read only when a template asks for it, once a request."""
    return {
        "clinic": SimpleLazyObject(_read),
        "locations": SimpleLazyObject(lambda: list(Location.objects.filter(is_active=True))),
    }
