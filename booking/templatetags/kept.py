"""The time that this browser holds, for pages that are not booking's own."""

from django import template
from django.template.context import Context
from django.utils import timezone

from booking import choosing, visitors
from booking.holding import EXTENSIONS
from clinic.zones import zone_beside

register = template.Library()


@register.inclusion_tag("booking/kept.html", takes_context=True)
def kept_time(context: Context) -> dict:
    """Until when the time is kept, and "I need more time"; nothing where this browser holds none."""
    held = visitors.kept_by(context["request"])
    return {
        "held": held,
        "expired": held is not None and visitors.has_run_out(held, timezone.now()),
        "zone": zone_beside(held.location, choosing.places()) if held else "",
        "more_time_left": held is not None and held.hold_extensions < EXTENSIONS,
        "csrf_token": context.get("csrf_token"),
    }
