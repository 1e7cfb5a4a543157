"""“Ring me back”: a name and a number, and nothing about health."""

import uuid
from datetime import datetime

from allauth.core import ratelimit
from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from clinic.forms import AnsweredOnce, PhoneField
from clinic.models import CallBack
from clinic.visible import NameField


class CallBackForm(AnsweredOnce):
    """Whom to ring. `request_key` makes a second click of the same form one request."""

    name = NameField(
        label=_("Your name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": _("Please write your name.")},
    )
    phone = PhoneField(
        label=_("Your phone number"),
        help_text=_("With the country code if it is not a number from here."),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel", "class": "input-middle"}),
        error_messages={"required": _("Please write your phone number.")},
    )
    about = forms.ChoiceField(
        label=_("What is it about?"),
        choices=[
            (CallBack.About.FORM, _("Help with the questions")),
            (CallBack.About.TALK, _("I would like to talk with you")),
            (CallBack.About.LANGUAGE, _("Help in another language")),
        ],
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Please choose what it is about."),
            "invalid_choice": _("Please choose what it is about."),
        },
    )
    language = forms.CharField(
        label=_("Which language would you like?"),
        help_text=_("Leave it empty for the language of this page."),
        max_length=60,
        required=False,
    )
    request_key = forms.UUIDField(widget=forms.HiddenInput)


def ask_to_be_rung(
    *, name: str, phone: str, about: str, language: str, request_key: uuid.UUID, now: datetime
) -> CallBack:
    """Puts somebody on the desk's list of people to ring. The same `request_key` again changes nothing; neither does
    the same number about the same, as long as it was not rung: back, and sent once more. A language is taken along."""
    waiting = CallBack.objects.filter(phone=phone, about=about, done_at=None).first()
    if waiting is not None:
        if language and language != waiting.language:
            waiting.language = language
            waiting.save(update_fields=["language"])
        return waiting
    values = {"name": name, "phone": phone, "about": about, "language": language, "created_at": now}
    return CallBack.objects.get_or_create(request_key=request_key, defaults=values)[0]


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def call_back(request: HttpRequest) -> HttpResponse:
    """The form; POST keeps the request and says thank you."""
    about = request.GET.get("about")
    initial = {"request_key": uuid.uuid4(), "about": about if about in CallBack.About.values else None}
    form = CallBackForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        if not ratelimit.consume(request, action="call_back"):
            return ratelimit.respond_429(request)
        ask_to_be_rung(**form.cleaned_data, now=timezone.now())
        return redirect("callback_thanks")
    if "request_key" in form.errors:  # a form that was tampered with: a new key, and the rest stays
        fresh = request.POST.copy()
        fresh["request_key"] = str(uuid.uuid4())
        form.data = fresh
        form.errors.pop("request_key")
        form.add_error(None, _("Please send the form once more."))
    return render(request, "clinic/call_back.html", {"form": form})


@require_safe
def thanks(request: HttpRequest) -> HttpResponse:
    """We have the number."""
    return render(request, "clinic/call_back_thanks.html")
