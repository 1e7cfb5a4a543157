"""What every page may show: the clinic and its places."""

from django.utils.functional import SimpleLazyObject

from clinic.models import Clinic, Location


def clinic(request) -> dict:
    """`clinic` (None before set-up) and `locations`, each read only when a template asks for it, once a request."""
    return {
        "clinic": SimpleLazyObject(Clinic.get),
        "locations": SimpleLazyObject(lambda: list(Location.objects.filter(is_active=True))),
    }
