"""The staff site itself. In a module of its own: Django makes it while the admin modules of the apps are being read."""

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinic import idle, views
from clinic.registry import panels_for


class ClinicAdminSite(admin.AdminSite):
    """The staff site, in the clinic's look. Signing in and out are the site's own (password and second factor)."""

    site_header = _("Staff")
    site_title = _("Staff")
    index_title = _("Today")
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict:
        """With the idle time, for the script that locks a screen nobody touches."""
        times = {"idle_seconds": settings.STAFF_IDLE_SECONDS, "idle_ping_seconds": idle.ping_seconds()}
        return {**super().each_context(request), **times}

    def get_urls(self) -> list:
        """Adds the page of what must happen before opening."""
        return [path("opening/", self.admin_view(self.opening), name="opening"), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context=None) -> TemplateResponse:
        """Panels of the apps first, then everything there is."""
        panels = views.drawn_panels("dashboard", request, timezone.now())
        return super().index(request, {"panels": panels, **(extra_context or {})})

    def opening(self, request: HttpRequest) -> HttpResponse:
        """What must happen before patients may come."""
        panels = panels_for("opening", request, timezone.now())
        context = {
            **self.each_context(request),
            "title": _("Before opening"),
            "is_ready": not any(context["missing"] for _template, context in panels),
            "panels": views.drawn(panels, request),
        }
        return TemplateResponse(request, "admin/opening.html", context)

    def login(self, request: HttpRequest, extra_context=None) -> HttpResponse:
        """The site's own sign-in page: Django's would ask for no second factor."""
        back = request.GET.get("next") or reverse("admin:index")
        if request.user.is_authenticated:
            if not request.user.is_staff:
                raise PermissionDenied
            return redirect("admin:index")
        return redirect(f"{reverse('account_login')}?{views.next_query(back)}")

    def logout(self, request: HttpRequest, extra_context=None) -> HttpResponse:  # type: ignore[override]
        """The site's own."""
        return redirect("account_logout")

    def password_change(self, request: HttpRequest, extra_context=None) -> HttpResponse:  # type: ignore[override]
        """The site's own."""
        return redirect("account_change_password")
