"""When a staff session was last used, and when it ends for want of use: STAFF_IDLE_SECONDS after that.

Pages tell of use themselves while somebody moves or types (static/js/staff-idle.js), but not of every movement: what
the server knows of a page's last use is up to `ping_seconds()` later than what the page knows.
"""

import time

from django.conf import settings
from django.http import HttpRequest

SEEN = "staff_seen"  # in the session: when this member of staff last did something, in seconds


def ping_seconds() -> int:
    """How often, at most, a page that is being used says so."""
    return max(1, min(60, settings.STAFF_IDLE_SECONDS // 3))


def last_use(request: HttpRequest) -> float | None:
    """When this session was last used; None for one that begins."""
    seen = request.session.get(SEEN)
    return seen if isinstance(seen, int | float) else None


def unused_for(request: HttpRequest) -> float:
    """Seconds since this session was last used."""
    seen = last_use(request)
    return 0.0 if seen is None else max(0.0, time.time() - seen)


def is_over(request: HttpRequest) -> bool:
    """Whether this session was not used for too long."""
    return unused_for(request) > settings.STAFF_IDLE_SECONDS


def nobody_is_there(request: HttpRequest) -> bool:
    """Whether the session may end because one of its pages was left alone: no other page was used since."""
    return unused_for(request) >= settings.STAFF_IDLE_SECONDS - ping_seconds()


def note_use(request: HttpRequest) -> None:
    """Writes down that the session is used now; not at every request, as each is a write."""
    if last_use(request) is None or unused_for(request) > min(15, settings.STAFF_IDLE_SECONDS / 4):
        request.session[SEEN] = time.time()
