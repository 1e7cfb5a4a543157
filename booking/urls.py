"""The addresses of booking, as DESIGN section 6 lists them. Included at the root of the site."""

from django.urls import path

from booking import views

app_name = "booking"
urlpatterns = [
    path("book/", views.treatments, name="treatments"),
    path("book/hold/<uuid:uuid>/", views.hold, name="hold"),
    path("book/<slug:slug>/", views.slots, name="slots"),
    path("book/<slug:slug>/slots.json", views.slots_json, name="slots_json"),
    path("appointments/link/<str:token>/", views.link, name="link"),
    path("appointments/<uuid:uuid>/", views.appointment, name="appointment"),
    path("appointments/<uuid:uuid>/move/", views.move, name="move"),
    path("appointments/<uuid:uuid>/cancel/", views.cancel, name="cancel"),
    path("appointments/<uuid:uuid>/talk/", views.talk, name="talk"),
    path("appointments/<uuid:uuid>/calendar.ics", views.calendar, name="calendar"),
]
