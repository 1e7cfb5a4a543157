"""In development only: read what would be sent."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from outbox.models import Message


@require_safe
@never_cache
def dev_messages(request: HttpRequest) -> HttpResponse:
    """The latest messages with their words. Exists while DEBUG is on: no mail server is needed to try the site."""
    if not settings.DEBUG:
        raise Http404
    return render(request, "outbox/dev_messages.html", {"sent": Message.objects.all()[:50]})
