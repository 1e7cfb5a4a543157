"""The addresses of booking, as DESIGN section 6 lists them. Included at the root of the site."""

from django.urls import path

from booking import appointment_pages, hold_pages, views

app_name = "booking"
urlpatterns = [
    path("book/", views.treatments, name="treatments"),
    path("book/hold/<uuid:uuid>/", hold_pages.hold, name="hold"),
    path("book/<slug:slug>/", views.slots, name="slots"),
    path("book/<slug:slug>/slots.json", views.slots_json, name="slots_json"),
    path("appointments/link/<str:token>/", appointment_pages.link, name="link"),
    path("appointments/<uuid:uuid>/", appointment_pages.appointment, name="appointment"),
    path("appointments/<uuid:uuid>/move/", appointment_pages.move, name="move"),
    path("appointments/<uuid:uuid>/cancel/", appointment_pages.cancel, name="cancel"),
    path("appointments/<uuid:uuid>/talk/", appointment_pages.talk, name="talk"),
    path("appointments/<uuid:uuid>/calendar.ics", appointment_pages.calendar, name="calendar"),
]
