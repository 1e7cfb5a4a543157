"""The addresses of the patient's screening, as DESIGN section 6 lists them. Included at /screening/."""

from django.urls import path

from screening import views

app_name = "screening"
urlpatterns = [
    path("", views.start, name="start"),
    path("<int:number>/", views.step, name="step"),
    path("<int:number>/advice/", views.advice, name="advice"),
    path("check/", views.check, name="check"),
    path("result/", views.result, name="result"),
    path("later/", views.later, name="later"),
    path("leave/", views.leave, name="leave"),
    path("birth-date/", views.birth_date, name="birth_date"),
    path("reply/<uuid:review_uuid>/", views.reply, name="reply"),
    path("decision/<uuid:review_uuid>/", views.decision, name="decision"),
]
