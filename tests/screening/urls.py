"""The site's addresses, with stand-ins for pages of other apps that screening only links to."""

from django.http import HttpResponse
from django.urls import include, path

from clinic import callbacks
from clinic.urls import urlpatterns as clinic_urlpatterns


def page(request, **kwargs):
    return HttpResponse("elsewhere")


booking = ([path("book/", page, name="treatments"), path("book/<slug:slug>/", page, name="slots")], "booking")
urlpatterns = [
    *clinic_urlpatterns,
    path("screening/", include("screening.urls")),
    path("call-back/", callbacks.call_back, name="callback"),
    path("call-back/thanks/", callbacks.thanks, name="callback_thanks"),
    path("my/", page, name="my"),
    path("", include("education.urls")),
    path("", include(booking)),
]
