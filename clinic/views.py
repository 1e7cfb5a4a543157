"""Pages that belong to no app: home, one's own page, health checks, errors."""

from datetime import datetime
from urllib.parse import urlencode

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseServerError, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from clinic import accounts, idle
from clinic.context import last_known
from clinic.forms import AnsweredOnce, ThreePartDateField
from clinic.models import Practitioner, Treatment, today_at
from clinic.registry import panels_for, patient_linked


class BirthDateForm(AnsweredOnce):
    """The birth date that the desk wrote down."""

    birth_date = ThreePartDateField(
        label=_("Your date of birth"), help_text=_("For example 4 May 1990."), autocomplete="bday"
    )


def drawn_panels(page: str, request: HttpRequest, now: datetime, *about) -> list[str]:
    """The panels of a gathered page as HTML."""
    return drawn(panels_for(page, request, now, *about), request)


def drawn(panels: list[tuple[str, dict]], request: HttpRequest) -> list[str]:
    """Each panel as HTML, with its own context and nothing of its neighbours'."""
    return [render_to_string(template, context, request) for template, context in panels]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The first page: what is offered and what it costs today, by whom."""
    now = timezone.now()
    today = today_at(now)
    offers = [
        (treatment, treatment.price_on(today)) for treatment in Treatment.objects.offered().prefetch_related("prices")
    ]
    return render(
        request,
        "clinic/home.html",
        {
            "offers": offers,
            "practitioners": Practitioner.objects.filter(is_active=True),
            "panels": drawn_panels("home", request, now),
        },
    )


@require_safe
@never_cache
@login_required
def my(request: HttpRequest) -> HttpResponse:
    """A patient's own page: what the apps know about them, and what we keep."""
    if request.user.is_staff:
        return redirect("admin:index")
    return my_page(request, BirthDateForm())


def asked_next(request: HttpRequest) -> str:
    """The page to go back to afterwards, if one of this site was named; otherwise nothing."""
    back = request.POST.get("next") or request.GET.get("next", "")
    here = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if here and back.startswith("/") else ""


def my_page(request: HttpRequest, form: "BirthDateForm") -> HttpResponse:
    """One's own page; with the question for the birth date as long as a record made at the desk is not linked."""
    return render(
        request,
        "clinic/my.html",
        {
            "patient": getattr(request.user, "patient", None),
            "form": form,
            "waits_for_birth_date": accounts.waits_for_birth_date(accounts.signed_in(request)),
            "next": asked_next(request),
            "panels": drawn_panels("my", request, timezone.now()),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def my_birth_date(request: HttpRequest) -> HttpResponse:
    """Somebody who booked by phone proves who they are: address by code, and now the birth date. Who opens the address
    of an answer that did not fit once more is asked on their own page."""
    if request.method != "POST":
        return redirect("my")
    form = BirthDateForm(request.POST)
    if form.is_valid():
        try:
            user = accounts.signed_in(request)
            if accounts.link_patient(user, birth_date=form.cleaned_data["birth_date"]):
                patient_linked(request, user, timezone.now())
                return redirect(asked_next(request) or "my")
            form.add_error("birth_date", _("This does not match what we know. Check it, or call us."))
        except accounts.TooManyTries:
            form.add_error("birth_date", _("Those were many tries. Please call us: we sort it out together."))
    return my_page(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
def correct_address(request: HttpRequest) -> HttpResponse:
    """The code went to a wrong address: give another one. Only looking changes nothing."""
    if request.method != "POST":
        return redirect("account_confirm_login_code")
    return redirect(accounts.correct_address(request))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def locked(request: HttpRequest) -> HttpResponse:
    """Where a staff screen goes that nobody has touched for a while. None of this counts as use of the session.

    Consequences: a POST, which the script of the screen sends first, ends the session of a member of staff, unless
    another of their pages was used meanwhile; then it says how many seconds ago. Looking changes nothing: with a
    session that still runs it leads back to the page.
    """
    is_staff = request.user.is_authenticated and request.user.is_staff
    if is_staff and (idle.is_over(request) or (request.method == "POST" and idle.nobody_is_there(request))):
        logout(request)
    if request.method == "POST":
        still_runs = is_staff and request.user.is_authenticated
        return JsonResponse({"locked": not still_runs, "unused_for": idle.unused_for(request) if still_runs else None})
    back = asked_next(request)
    if request.user.is_authenticated:
        return redirect(back or accounts.where_to(request))
    return render(request, "session_ended.html", {"next": back})


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


_migrations_seen: set[frozenset] = set()  # states of the database already found complete by this process


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """The process and its database answer, and every migration has run.

    The migration files cannot change while the process lives, so they are read once; each call is one query.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = frozenset(cursor.fetchall())
    except DatabaseError:
        return JsonResponse({"ready": False, "reason": "the database does not answer"}, status=503)
    if applied not in _migrations_seen:
        if set(MigrationLoader(None).graph.leaf_nodes()) - applied:
            return JsonResponse({"ready": False, "reason": "migrations are missing"}, status=503)
        _migrations_seen.add(applied)
    return JsonResponse({"ready": True})


def next_query(path: str) -> str:
    """`next=…` for the sign-in page."""
    return urlencode({"next": path})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Something that no form of ours sends."""
    try:
        return render(request, "400.html", status=400)
    except Exception:  # a header so broken that not even the page can be drawn (the Host, say)
        return HttpResponseBadRequest("Bad request", content_type="text/plain")


def server_error(request: HttpRequest) -> HttpResponse:
    """Something broke on our side, perhaps the database: the page is drawn without asking anything of it."""
    return HttpResponseServerError(render_to_string("500.html", {"clinic": last_known()}))


def too_many(request: HttpRequest) -> HttpResponse:
    """Too many tries in a short time."""
    return render(request, "429.html", status=429)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open too long, or came from elsewhere; the patient's form leads back to the page it was on, for
    signing in in another window makes a page from before it too old at once."""
    is_form = request.path.startswith(reverse("screening:start"))
    return render(request, "403_csrf.html", {"back": request.get_full_path() if is_form else ""}, status=403)
