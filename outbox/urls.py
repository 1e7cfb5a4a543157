"""In development only: read what would be sent."""

from django.urls import path

from outbox import views

app_name = "outbox"
urlpatterns = [path("messages/", views.dev_messages, name="dev_messages")]
