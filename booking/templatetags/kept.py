"""The time that this browser holds, or has chosen, for pages that are not booking's own."""

from django import template
from django.template.context import Context
from django.utils import timezone

from booking import choosing, visitors
from booking.holding import EXTENSIONS
from booking.models import Appointment
from clinic.zones import zone_beside

register = template.Library()


@register.inclusion_tag("booking/kept.html", takes_context=True)
def kept_time(context: Context, found: Appointment | None = None) -> dict:
    """Until when the time is kept, and "I need more time"; nothing where this browser holds none.

    found: that time, on a page that has looked for it; otherwise this is the page where writing the code comes first.
    """
    held = found or visitors.kept_by(context["request"])
    return {
        "held": held,
        "code_first": found is None,
        "expired": held is not None and visitors.has_run_out(held, timezone.now()),
        "zone": zone_beside(held.location, choosing.places()) if held else "",
        "more_time_left": held is not None and held.hold_extensions < EXTENSIONS,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("booking/wanted.html", takes_context=True)
def wanted_time(context: Context) -> dict:
    """The time that was chosen before the questions about this treatment: remembered, and not kept."""
    treatment, request = context.get("treatment"), context["request"]
    chosen = visitors.wanted_before(request, treatment) if treatment else None
    slot = visitors.wanted_slot(chosen) if chosen else None
    if slot is None or slot.starts_at <= timezone.now():
        return {}
    places = choosing.places()
    place = next((one for one in places if one.pk == slot.location_id), None)
    return {"slot": slot, "place": place, "zone": zone_beside(place, places)} if place else {}
