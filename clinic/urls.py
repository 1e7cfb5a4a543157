"""The addresses of the site, as DESIGN section 6 lists them."""

from django.conf import settings
from django.contrib import admin
from django.http import Http404
from django.urls import include, path, re_path

from clinic import views
from clinic.callbacks import call_back, thanks


def not_here(request):
    """What allauth could do and we do not: people do not register, and an address is corrected by us (see /my/)."""
    raise Http404


urlpatterns = [
    path("", views.home, name="home"),
    path("my/", views.my, name="my"),
    path("my/birth-date/", views.my_birth_date, name="my_birth_date"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    re_path(r"^accounts/(?:signup|email|confirm-email|password/set)/", not_here),
    path("accounts/locked/", views.locked, name="locked"),
    path("accounts/correct-address/", views.correct_address, name="correct_address"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("", include("education.urls")),
    path("", include("booking.urls")),
    path("screening/", include("screening.urls")),
    path("call-back/", call_back, name="callback"),
    path("call-back/thanks/", thanks, name="callback_thanks"),
]
if settings.DEBUG:
    urlpatterns.append(path("dev/", include("outbox.urls")))

handler400 = "clinic.views.bad_request"
handler500 = "clinic.views.server_error"
handler429 = "clinic.views.too_many"
