"""A clinic in the middle of its day, the people who might open its pages, and every address there is.

For tests that walk the whole site: `Scene(monkeypatch)` makes it with the verbs of the clinic at NOW, and
`scene.addresses()` fills each address of the URL resolver with things that exist. A new address without anything to
fill it with fails the walk, so nothing is left out by accident.
"""

import re
import uuid
from dataclasses import dataclass

from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, get_resolver

from booking import links
from clinic.models import CallBack, Patient
from education.models import Article, Picture
from outbox.models import Message
from screening.models import QuestionnaireResponse
from tests import make
from tests.booking import steps
from tests.booking.conftest import ScreeningSurgery
from tests.education import conftest as education
from tests.make import NOW

# What only the patient and clinicians may read, each word nowhere else on the site.
ANSWER, QUESTION, STATEMENT, CONDITION = "zebrawort", "quillback", "marshlight", "thistledown"
SECRETS = (ANSWER, QUESTION, STATEMENT, CONDITION)
# Addresses that no test can fill: they are asked with nonsense only.
UNFILLED = {"account_confirm_email", "account_reset_password_from_key"}


@dataclass(frozen=True)
class Address:
    """One address, filled; `other` is the same about something that does not exist, where it names something."""

    name: str
    path: str
    other: str


class Scene:
    """Anna waits with a question, Berta has a cleared visit with conditions, and both sign in. `people`: their browsers
    and those of each role, with `nobody` and `superuser` (technical, in no group)."""

    def __init__(self, monkeypatch) -> None:
        monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
        self.surgery = surgery = ScreeningSurgery()
        self.anna, self.berta = self.patient("Anna Lowe"), self.patient("Berta Hill")
        told = {"other_health": "yes", "other_health_what": ANSWER}
        for number, patient in enumerate((self.anna, self.berta)):
            steps.answered(surgery, patient, **told)
            setattr(self, f"visit_{number}", steps.asked(surgery, clock=f"1{number}:00", patient=patient))
        self.review = steps.decide(self.visit_0, "needs-information", question=QUESTION, statement=STATEMENT)
        self.cleared = steps.decide(self.visit_1, "cleared-with-conditions", conditions=CONDITION, statement=STATEMENT)
        self.waiting = steps.asked(surgery, clock="13:00", patient=self.patient("Carla Finch"))
        self.request = steps.request_of(self.waiting)
        self.response = QuestionnaireResponse.objects.get(patient=self.anna)
        editor, clinician = make.make_user("Content editor"), make.make_user("Clinician")
        self.article = Article.objects.create(slug="healing", order=1)
        education.published(self.article, editor, clinician, now=NOW)
        self.picture = Picture.objects.create(
            name="skin", alt="Skin.", content=b"x", media_type="image/png", sha256="a" * 64, width=1, height=1,
            uploaded_by=editor, uploaded_at=NOW,
        )  # fmt: skip
        self.call = CallBack.objects.create(
            name="Dora", phone="+442079460018", about="talk", request_key=uuid.uuid4(), created_at=NOW
        )
        make.make_time_off(surgery.practitioner, make.at("2027-05-03"), make.at("2027-05-04"))
        make.make_closure(surgery.location, make.at("2027-05-05").date())
        self.people = {"nobody": Client(), "anna": Client(), "berta": Client(), "superuser": Client()}
        self.people["anna"].force_login(self.anna.user)
        self.people["berta"].force_login(self.berta.user)
        self.people["superuser"].force_login(make.make_user(is_staff=True, is_superuser=True))
        for role in make.ROLES:
            self.people[role] = Client()
            user = surgery.practitioners[1].user if role == "Practitioner" else make.make_user(role)
            self.people[role].force_login(user)

    def patient(self, name: str) -> Patient:
        """An adult who has signed in before."""
        patient = make.make_patient(name=name)
        patient.user = make.make_user(email=patient.email, name=name)
        patient.save()
        return patient

    def everything(self) -> Client:
        """A browser of somebody in all six roles, who is a superuser as well: who reaches the most pages."""
        client, user = Client(), make.make_user(is_staff=True, is_superuser=True)
        user.groups.set(Group.objects.all())
        client.force_login(user)
        return client

    def holding(self) -> Client:
        """A browser of nobody in particular that has answered the questions and holds a time."""
        client = Client()
        session = client.session
        held = steps.held(self.surgery, clock="15:00")
        session["hold"], session["screening"] = str(held.uuid), str(held.response.uuid)
        session.save()
        return client

    # ---- addresses

    def addresses(self) -> list[Address]:
        """Every address of the site but those of development, filled with what exists here."""
        found = []
        for name, route, converters in patterns(get_resolver()):
            if route.startswith("dev/") or name in UNFILLED:
                continue
            path, other = "/" + route, "/" + route
            for argument, converter in converters.items():
                real = str(self.fill(route, argument))
                kind = type(converter).__name__.removesuffix("Converter")
                path = re.sub(rf"<(\w+:)?{argument}>", real, path)
                other = re.sub(rf"<(\w+:)?{argument}>", NOWHERE.get(kind, real) if names(argument) else real, other)
            found.append(Address(name or route, path, other))
        return found

    def fill(self, route: str, argument: str):
        """What exists, for one argument of one route."""
        if argument == "object_id" and route.startswith("admin/r/"):
            return self.article.pk
        if argument == "content_type_id":
            from django.contrib.contenttypes.models import ContentType

            return ContentType.objects.get_for_model(Article).pk
        if argument == "object_id":
            _site, app, model = route.split("/")[:3]
            by_name = {(m._meta.app_label, m._meta.model_name): m for m in admin.site._registry}
            return by_name[app, model]._default_manager.order_by("pk").values_list("pk", flat=True)[0]
        for begins, values in {
            "admin/screening/reviewrequest/": {"key": self.request.uuid},
            "admin/screening/questionnaireresponse/": {"key": self.response.uuid},
            "admin/screening/questionnaire/": {"pk": self.surgery.questionnaire.pk},
            "admin/booking/appointment/": {
                "key": self.visit_0.uuid,
                "person": self.anna.uuid,
                "pk": self.call.pk,
                "message": Message.objects.filter(subject_uuid=self.visit_0.uuid).first().uuid,
            },
            "admin/clinic/user/": {"pk": self.surgery.desk.pk},
            "admin/clinic/callback/": {"pk": self.call.pk},
            "admin/outbox/message/": {"pk": Message.objects.order_by("pk").first().pk},
            "admin/education/article/": {"pk": self.article.pk, "version": 1},
            "learn/pictures/": {"name": "skin", "digest": "a" * 12},
            "learn/": {"slug": "healing"},
            "book/hold/": {"uuid": self.visit_0.uuid},
            "book/": {"slug": self.surgery.consultation.slug},
            "appointments/link/": {"token": links.make_link(self.visit_0, links.SEE, NOW).split("/")[-2]},
            "appointments/": {"uuid": self.visit_0.uuid},
            "screening/reply/": {"review_uuid": self.review.uuid},
            "screening/decision/": {"review_uuid": self.review.uuid},
            "screening/": {"number": 1},
        }.items():
            if route.startswith(begins) and argument in values:
                return values[argument]
        raise LookupError(f"Say in tests/scene.py what stands for {argument} in {route}.")


NOWHERE = {"UUID": "6f1c1f3e-8a0d-4a39-9a42-5c2a8a5a9d11", "Int": "987654321"}


def names(argument: str) -> bool:
    """Whether an argument names a thing (and not a page of it)."""
    return argument not in ("number", "version")


def patterns(resolver, prefix=""):
    """(name, route, converters) of every address; of a regular expression the words that it begins with."""
    for pattern in resolver.url_patterns:
        route = getattr(pattern.pattern, "_route", None)
        converters = dict(getattr(pattern.pattern, "converters", {}))
        if route is None:
            route = re.split(r"[(\[]", str(pattern.pattern).strip("^$"))[0]
            route = {"admin/": "clinic/"}.get(prefix, "") if getattr(pattern, "name", "") == "app_list" else route
        if isinstance(pattern, URLPattern):
            yield pattern.name, prefix + route, converters
        else:
            for name, rest, more in patterns(pattern, prefix + route):
                yield name, rest, converters | more
