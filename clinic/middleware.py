"""What happens to every request: what no page could store is refused, and staff screens are kept for staff."""

import re
from urllib.parse import quote, unquote_to_bytes, urlsplit

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found

from clinic import accounts, idle, views
from clinic.models import Clinic

NUL, BROKEN = "\x00", "\ufffd"
LONGEST_QUERY = 4096
# Nothing here is larger than a picture of 5 MB with its form; without a limit, a file as large as the disk could be
# sent to any page.
LARGEST_BODY = 6 * 1024 * 1024
# A picture as a telephone takes it is read although nobody keeps it: its form says how large it may be, and keeps the
# words beside it.
LARGEST_PICTURE = 40 * 1024 * 1024


class ContentPolicy(CSPMiddleware):
    """The policy on every answer but Django's traceback. django-csp also leaves it off a 404 under DEBUG."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """As django-csp's."""
        if response.status_code != 404 or not settings.DEBUG:
            return super().process_response(request, response)
        response.status_code = 200
        try:
            return super().process_response(request, response)
        finally:
            response.status_code = 404


class NeutralRequests:
    """What the database cannot store (NUL bytes, broken UTF-8) never reaches it, and loses nothing that was typed.

    In an address, a cookie or the name of a field it is the 400 page, before any view reads it: nobody types that. In
    the boxes of a form it goes to the form, which says so beside the box and keeps the others. From the name of a file
    Django takes it away. A form in which a field stands twice is none of its business: the forms refuse two different
    values (`clinic.forms.OneAnswer`).
    """

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            self.read(request)
        except (BadRequest, SuspiciousOperation) as error:
            return views.bad_request(request, error)
        return self.get_response(request)

    def read(self, request: HttpRequest) -> None:
        """Raises BadRequest, or one of Django's errors that mean 400, for what nobody sends by accident."""
        request.get_host()
        if NUL in request.path or BROKEN in request.path or "%00" in request.path:
            raise BadRequest("address")
        size = str(request.META.get("CONTENT_LENGTH") or "0")
        is_picture = request.path == reverse("admin:education_picture_add")
        if size.isdecimal() and int(size) > (LARGEST_PICTURE if is_picture else LARGEST_BODY):
            raise BadRequest("body")
        query = request.META.get("QUERY_STRING", "")
        if len(query) > LONGEST_QUERY:
            raise BadRequest("long address")
        if not is_readable(query):
            raise BadRequest("query")
        for value in request.COOKIES.values():
            if NUL in value:  # the quoted form \000 arrives as one
                raise BadRequest("cookie")
        if request.content_type == "application/x-www-form-urlencoded" and not is_readable(request.body):
            request.FILES.clear()  # there are none; whoever looked for them later would read the form anew
            request.POST = QueryDict(marked(request.body))
        if any(NUL in name for name in request.POST):
            raise BadRequest("form")


def is_readable(encoded: str | bytes) -> bool:
    """Whether these percent-encoded words are UTF-8 without NUL."""
    plain = unquote_to_bytes(encoded)
    try:
        plain.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in plain


def marked(body: bytes) -> str:
    """A form, encoded, with NUL in place of every byte that is no UTF-8: the one sign that no form takes."""
    escaped = re.sub(rb"[\x80-\xff]", lambda found: b"%%%02X" % found[0][0], body)
    return QueryDict(escaped, encoding="utf-8").urlencode().replace(quote(BROKEN), "%00")


class OneClinic:
    """Every part of one answer goes by the same policies of the clinic, and its row is read once."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with Clinic.read_once():
            return self.get_response(request)


class PrivatePages:
    """No browser or proxy keeps a page that somebody saw while signed in: "back" after signing out shows nothing."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        was_signed_in = request.user.is_authenticated
        response = self.get_response(request)
        if (was_signed_in or request.user.is_authenticated) and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


class OwnErrorPages:
    """Our pages for 404 and 400 under DEBUG too, where Django shows a developer its own, without look or policy.

    The last of all: whatever happens here, happens in a view. A traceback (500) stays Django's.
    """

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.DEBUG:
            try:
                resolve(request.path_info)
            except Resolver404 as error:
                return page_not_found(request, error)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page for what a view raised; without DEBUG, Django shows ours by itself."""
        if settings.DEBUG and isinstance(exception, Http404):
            return page_not_found(request, exception)
        if settings.DEBUG and isinstance(exception, BadRequest | SuspiciousOperation):
            return views.bad_request(request, exception)
        return None


class StaffSignIn:
    """Staff pages ask for a member of staff with a second factor, and a staff session locks when it is idle."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if request.path == reverse("locked"):  # asks about the session, and is no use of it
            return self.get_response(request)
        if user.is_authenticated and user.is_staff:
            if idle.is_over(request):
                return self.lock(request)
            idle.note_use(request)
            if self.is_admin(request):
                elsewhere = self.second_factor(request)
                if elsewhere is not None:
                    return elsewhere
        elif user.is_authenticated and request.path.startswith(reverse("mfa_index")):
            # A patient who set up a second step could never come in by a code alone again.
            return page_not_found(request, Http404())
        elif self.is_admin(request):
            if user.is_authenticated:
                raise PermissionDenied
            if request.path != reverse("admin:login"):
                return redirect(f"{reverse('admin:login')}?{views.next_query(request.get_full_path())}")
        return self.get_response(request)

    def is_admin(self, request: HttpRequest) -> bool:
        """Whether the address is below the staff site; its scripts of translations show nothing, but ask as well."""
        return request.path.startswith(reverse("admin:index"))

    def lock(self, request: HttpRequest) -> HttpResponse:
        """Ends the session. A page is opened again after signing in; what was sent is not, and the page says so."""
        was_sent = request.method not in ("GET", "HEAD")
        back = page_of_form(request) if was_sent else request.get_full_path()
        logout(request)
        return render(request, "session_ended.html", {"next": back, "not_received": was_sent}, status=403)

    def second_factor(self, request: HttpRequest) -> HttpResponse | None:
        """Where to go first, when the second factor is missing; None when all is well."""
        if not accounts.asks_second_factor():
            return None
        if not accounts.has_second_factor(accounts.signed_in(request)):
            messages.warning(request, _("Please set up the second step of signing in first."))
            return redirect("mfa_activate_totp")
        if not accounts.showed_second_factor(request):
            # Signed in before it was set up, in another session: this one has never shown it.
            back = request.get_full_path() if request.method == "GET" else reverse("admin:index")
            logout(request)
            return redirect(f"{reverse('account_login')}?{views.next_query(back)}")
        return None


def page_of_form(request: HttpRequest) -> str:
    """The page that a form was sent from, if it is one of ours; the staff site's first page otherwise."""
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure()):
        parts = urlsplit(referer)
        return parts.path + (f"?{parts.query}" if parts.query else "")
    return reverse("admin:index")
