"""The shared nouns in the staff site: people, places, what is offered."""

import zoneinfo
from datetime import date, datetime
from functools import cache
from typing import cast

from allauth.account import admin as _account_admin  # noqa: F401
from allauth.account.forms import default_token_generator
from allauth.account.internal.flows.password_reset import request_password_reset
from allauth.mfa import admin as _mfa_admin  # noqa: F401
from allauth.mfa.models import Authenticator
from allauth.usersessions import admin as _usersessions_admin  # noqa: F401
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG, SEARCH_VAR, ChangeList
from django.contrib.auth import admin as _auth_admin  # noqa: F401
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Value
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from clinic import accounts
from clinic.ages import is_adult
from clinic.forms import PhoneField, RecordAnsweredOnce
from clinic.models import (
    Area,
    CallBack,
    Clinic,
    Location,
    Patient,
    Practitioner,
    Room,
    Treatment,
    TreatmentPrice,
    User,
    today_at,
)
from clinic.registry import grounds_changed, patients_treated_by, saying_hits, visits_to_come
from clinic.views import drawn_panels
from clinic.visible import NameField

# Who reads health answers or decides on them is said by a clinician, not by whoever runs the house: a manager who
# could hand out these roles could make up a "clinician", and the wall around reviews would be a formality.
CLINICAL_ROLES = ("Practitioner", "Clinician", "Lead clinician")

# The roles are fixed in code (clinic/roles.py), and nobody edits sign-in data by hand. (The modules are imported
# above, so that what they register is there to be taken away.)
for model in list(admin.site._registry):
    if model is Group or model._meta.app_label in ("account", "mfa", "usersessions"):
        admin.site.unregister(model)


class AsksFiltersOnly(admin.ModelAdmin):
    """A list whose address can ask what its filters show, and nothing else.

    Django lets an address ask about every column of a list's own table: `?password__startswith=…` would spell out a
    password, `?text__contains=…` a code that waits to be sent.
    """

    form = RecordAnsweredOnce
    show_facets = admin.ShowFacets.NEVER  # a count beside each choice of a filter is a query each

    def lookup_allowed(self, lookup: str, value: str, request=None) -> bool:
        """The columns of filters, in the ways in which filters ask."""
        name, _sep, how = lookup.partition("__")
        if name not in {field.name for field in self.opts.get_fields()} and name != "pk":
            return True  # a filter of our own, or nothing at all
        shown = {item for item in self.get_list_filter(request) if isinstance(item, str)}
        return name in shown and how in ("exact", "id__exact", "isnull")

    def changelist_view(self, request, extra_context=None):
        """A question that cannot be answered is left out; Django's page would call it a broken database."""
        if ERROR_FLAG in request.GET and len(request.GET) > 1:
            return redirect(f"{request.path}?{ERROR_FLAG}=1")
        return super().changelist_view(request, extra_context)


class PrivateList(ChangeList):
    """A list whose search words come in the body of a request: an address is kept in logs and histories."""

    searches_in_private = True

    def get_queryset(self, request, exclude_parameters=None):
        """As Django's, for the words that were posted; words in the address find nothing in particular."""
        form = self.search_form_class(request.POST)
        self.query = (form.cleaned_data.get(SEARCH_VAR) or "") if form.is_valid() else ""
        found = super().get_queryset(request, exclude_parameters)
        for words in form.errors.values():  # not everybody, as if those had been asked for
            messages.error(request, " ".join(str(word) for word in words))
        return found.none() if form.errors else found


class SearchesInPrivate(AsksFiltersOnly):
    """A list of people: names, phones and birth dates are searched by POST, and no address holds them (DESIGN 6)."""

    def get_changelist(self, request, **kwargs):
        """The private one."""
        return PrivateList


class KeptAdmin(AsksFiltersOnly):
    """People and places are switched off, not deleted: what happened with them keeps their names."""

    actions = None
    list_per_page = 50
    show_full_result_count = False

    def changelist_view(self, request, extra_context=None):
        """Under the name of what is listed."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_delete_permission(self, request, obj=None) -> bool:
        """Nobody."""
        return False


class VisitsStandOnIt(KeptAdmin):
    """Where saving can hit visits: what is switched off is there for none of them any more."""

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """Saving says what it hits."""
        return saying_hits(request, super().changeform_view, object_id, form_url, extra_context)


class NeedsFirst(admin.SimpleListFilter):
    """A filter whose first choice, also when nothing is chosen, is what needs doing."""

    title = _("what to do")
    parameter_name = "show"
    needs = _("needs doing")

    def lookups(self, request, model_admin):
        """The other choice."""
        return [("all", _("all"))]

    def choices(self, changelist):
        """As Django's, with our word for "nothing chosen"."""
        first, *others = super().choices(changelist)
        return [{**first, "display": self.needs}, *others]

    def queryset(self, request, queryset):
        """What needs doing, unless all is asked for."""
        return queryset if self.value() == "all" else self.needing(queryset)

    def needing(self, queryset):
        """The rows that need doing."""
        raise NotImplementedError


class ClinicForm(RecordAnsweredOnce):
    """The clinic and its policies. One that confirmed visits rest on asks once more before it puts any of them back."""

    POLICIES = frozenset({"screening_valid_days", "consultation_first"})
    even_so = forms.BooleanField(label=_("Change it all the same"), required=False)

    def changes_policy(self) -> bool:
        """Whether one of them is another one than before."""
        return not self.POLICIES.isdisjoint(self.changed_data)

    def full_clean(self) -> None:
        """Says how many visits would go back, and saves nothing, until whoever changes it says that they mean it."""
        super().full_clean()
        if not self.is_bound or self.errors or self.cleaned_data["even_so"] or not self.changes_policy():
            return
        if hit := self._would_go_back():
            words = ngettext(
                "One confirmed visit would wait again, and we tell its patient. Tick this if that is right.",
                "%(count)s confirmed visits would wait again, and we tell their patients. Tick this if that is right.",
                hit,
            )
            self.add_error("even_so", words % {"count": hit})

    def _would_go_back(self) -> int:
        """Tries it, and takes it back."""
        policies = {name: self.cleaned_data[name] for name in self.POLICIES}
        with Clinic.read_once(), transaction.atomic():
            Clinic.change_policies()
            Clinic.objects.filter(pk=self.instance.pk).update(**policies)
            hit = grounds_changed(None, timezone.now())
            transaction.set_rollback(True)
        return hit


@admin.register(Clinic)
class ClinicAdmin(KeptAdmin):
    """The one clinic and its policies."""

    form = ClinicForm
    fieldsets = [
        (None, {"fields": ["name", "tagline", "phone", "email", "currency", "lead_clinician"]}),
        (
            _("Messages"),
            {
                "fields": ["sender_name", "calendar_title", "outage_contact"],
                "description": _("Others may see a patient's mailbox and calendar."),
            },
        ),
        (
            _("Answering"),
            {
                "fields": ["promise_working_days", "promise_time"],
                "description": _(
                    "What patients are promised. Times for new patients begin after it; an appointment that was not "
                    "looked at in time is let go with an apology."
                ),
            },
        ),
        (
            _("Booking"),
            {"fields": ["lead_hours", "horizon_days", "slot_minutes", "notice_hours", "hold_minutes"]},
        ),
        (
            _("Health questions"),
            {
                "fields": ["screening_valid_days", "consultation_first", "even_so"],
                "description": _(
                    "A change counts at once, for confirmed visits too: those it no longer allows wait for new answers "
                    "or for a clinician again, and their patients are told."
                ),
            },
        ),
    ]

    def has_add_permission(self, request) -> bool:
        """`setup_clinic` makes it."""
        return False

    def save_model(self, request, obj, form, change) -> None:
        """Says how many visits a policy that decisions rest on put back."""
        if form.changes_policy():
            Clinic.change_policies()
        super().save_model(request, obj, form, change)
        if form.changes_policy() and (hit := grounds_changed(request.user, timezone.now())):
            words = ngettext(
                "One visit that was confirmed waits for new answers or for a clinician again.",
                "%(count)s visits that were confirmed wait for new answers or for a clinician again.",
                hit,
            )
            messages.warning(request, words % {"count": hit})

    def changelist_view(self, request, extra_context=None):
        """There is one: straight to it."""
        if Clinic.get() is None:
            messages.info(request, _("The clinic is not set up yet. Run the command setup_clinic."))
            return redirect("admin:index")
        return redirect("admin:clinic_clinic_change", 1)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """Under a name of its own: there is no other clinic to change."""
        title = {"title": _("Settings of the clinic")}
        return super().changeform_view(request, object_id, form_url, {**title, **(extra_context or {})})

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        """A time as one writes it, without seconds and without Django's clock."""
        if db_field.name == "promise_time":
            kwargs["widget"] = forms.TimeInput(format="%H:%M", attrs={"size": 6})
            kwargs["error_messages"] = {"invalid": _("Write the time with hours and minutes, such as 17:00.")}
            return db_field.formfield(**kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        """A lead clinician is somebody with that role."""
        if db_field.name == "lead_clinician":
            kwargs["queryset"] = User.objects.filter(is_active=True, groups__name="Lead clinician").order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


CONTINENTS = ["Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"]


@cache
def time_zones() -> list[str]:
    """Those that are named after towns; the others are older names, or clocks that no town keeps."""
    return sorted(name for name in zoneinfo.available_timezones() if name.partition("/")[0] in CONTINENTS)


@admin.register(Location)
class LocationAdmin(VisitsStandOnIt):
    """Where patients are seen."""

    list_display = ["name", "phone", "time_zone", "is_active"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "address", "directions", "phone", "time_zone", "is_active"]}),
        (
            _("When we are closed"),
            {
                "fields": ["out_of_hours", "emergency"],
                "description": _(
                    "The words for closed hours also stand at the end of every message, where others may read them: "
                    "name no part of the body and no treatment."
                ),
            },
        ),
    ]
    prepopulated_fields = {"slug": ["name"]}

    def get_readonly_fields(self, request, obj=None):
        """The time zone stays: the days of all appointments there were counted in it."""
        return ["time_zone"] if obj is not None else []

    def get_changeform_initial_data(self, request) -> dict:
        """A new place is most often where the others are."""
        return {"time_zone": settings.TIME_ZONE, **super().get_changeform_initial_data(request)}

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        """A list of time zones; nobody has to know how they are written."""
        if db_field.name != "time_zone":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return forms.ChoiceField(
            label=capfirst(db_field.verbose_name),
            choices=[("", _("Choose")), *((name, name.replace("_", " ")) for name in time_zones())],
            help_text=_(
                "Choose the nearest large town. It cannot be changed later: all times of this place are counted in it."
            ),
        )


class RoomForm(RecordAnsweredOnce):
    """A room. Its place cannot be changed, and Django looks at no rule in which such a field takes part."""

    def clean_name(self) -> str:
        """No name that another room at the same place has."""
        name, room = self.cleaned_data["name"], self.instance
        if room.pk and Room.objects.filter(location=room.location_id, name=name).exclude(pk=room.pk).exists():
            raise ValidationError(_("Another room at this place has this name."))
        return name


@admin.register(Room)
class RoomAdmin(VisitsStandOnIt):
    """Rooms: one appointment at a time, cleaning included."""

    form = RoomForm
    list_display = ["name", "location", "is_active"]
    list_select_related = ["location"]

    def get_readonly_fields(self, request, obj=None):
        """The place stays: a room of the same name elsewhere is another room."""
        return ["location"] if obj is not None else []


@admin.register(Area)
class AreaAdmin(KeptAdmin):
    """Parts of the body, to look at: the questions and the rules know them by their codes."""

    list_display = ["__str__", "code"]

    def has_add_permission(self, request) -> bool:
        """Nobody: they belong to the questionnaire."""
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        """Nobody."""
        return False


class PriceInline(admin.TabularInline):
    """What a session costs from a day on."""

    model = TreatmentPrice
    extra = 1
    verbose_name_plural = _("prices (each counts from its day on; appointments keep the price they were made at)")


class TreatmentForm(RecordAnsweredOnce):
    """What is offered. A treatment is for a part of the body; a talk need not be."""

    def clean(self) -> dict:
        """Without an area nobody could ask for it: it would not be offered."""
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind") or self.instance.kind
        if kind == Treatment.Kind.TREATMENT and "areas" in cleaned and not cleaned["areas"]:
            self.add_error("areas", _("Tick at least one area. Patients are asked which one it is about."))
        return cleaned


@admin.register(Treatment)
class TreatmentAdmin(KeptAdmin):
    """What is offered, and for how much."""

    form = TreatmentForm
    list_display = ["name", "kind", "minutes", "price_today", "is_active"]
    list_filter = ["is_active"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [PriceInline]

    def get_queryset(self, request):
        """With prices, and the day whose price the list shows."""
        return super().get_queryset(request).prefetch_related("prices").annotate(today=Value(today_at(timezone.now())))

    def get_readonly_fields(self, request, obj=None):
        """The kind stays what it was made as: it decides whether a clinician has to clear the patient."""
        return ["kind"] if obj is not None else []

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        """Boxes to tick; a list for control-clicks is hard on everybody."""
        if db_field.name == "areas":
            kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description=_("minutes"))
    def minutes(self, treatment) -> str:
        """With the patient, and to clean."""
        return f"{treatment.duration_minutes} + {treatment.buffer_minutes}"

    @admin.display(description=_("price today"))
    def price_today(self, treatment) -> str:
        """In force today, in the clinic's currency."""
        price, clinic = treatment.price_on(treatment.today), Clinic.get()
        if price is None:
            return gettext("none yet")
        return f"{price.amount} {clinic.currency if clinic else ''}" if price.amount else gettext("No charge")


def warn_without_sign_in(request, person: Practitioner | None) -> None:
    """Says when somebody sees patients and nobody could check them in, with the visits that are to come."""
    if person is None or not accounts.without_sign_in().filter(pk=person.pk).exists():
        return
    words = _(
        "%(name)s sees patients, but cannot check them in: a sign-in with the role Practitioner is missing. "
        "Visits to come: %(count)s. Choose another sign-in, or untick “sees patients”."
    ) % {"name": person, "count": visits_to_come(person.pk, timezone.now())}
    link = reverse("admin:clinic_practitioner_change", args=[person.pk])
    may_open = request.user.has_perm("clinic.change_practitioner")
    messages.warning(request, format_html('{} <a href="{}">{}</a>', words, link, person) if may_open else words)


@admin.register(Practitioner)
class PractitionerAdmin(VisitsStandOnIt):
    """Who sees patients. Profession and registration are shown to patients."""

    list_display = ["name", "profession", "registration", "gives", "is_active"]
    prepopulated_fields = {"slug": ["name"]}

    def get_queryset(self, request):
        """With what they give."""
        return super().get_queryset(request).prefetch_related("treatments")

    def get_form(self, request, obj=None, change=False, **kwargs):
        """Only staff sign in as practitioners. A leaver stays behind theirs: saving another field loses nobody."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if "user" in form.base_fields:
            able = Q(is_staff=True, is_active=True) | Q(pk=obj.user_id if obj else None)
            field = cast(forms.ModelChoiceField, form.base_fields["user"])
            field.queryset = User.objects.filter(able).order_by("name", "email")
        return form

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        """Boxes to tick."""
        if db_field.name == "treatments":
            kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request, obj, form, change) -> None:
        """Says when nobody can check their patients in."""
        super().save_model(request, obj, form, change)
        warn_without_sign_in(request, obj)

    @admin.display(description=_("gives"))
    def gives(self, practitioner) -> str:
        """Names of the treatments."""
        return ", ".join(treatment.name for treatment in practitioner.treatments.all())


def roles_to_give(user: User) -> set[str]:
    """The roles this person may give to and take from others. Nobody changes their own (see StaffForm)."""
    everyday = set(Group.objects.exclude(name__in=CLINICAL_ROLES).values_list("name", flat=True))
    clinical = set(Group.objects.filter(name__in=CLINICAL_ROLES).values_list("name", flat=True))
    if user.is_superuser:
        return everyday | clinical
    given: set[str] = set()
    own = set(user.groups.values_list("name", flat=True))
    if "Manager" in own:
        given |= everyday
    if "Lead clinician" in own:
        given |= clinical
    return given


class StaffForm(RecordAnsweredOnce):
    """A member of staff: address, name, roles. The password is chosen by themselves, through a link."""

    roles = forms.ModelMultipleChoiceField(
        Group.objects.none(), required=False, widget=forms.CheckboxSelectMultiple, label=_("Roles")
    )

    class Meta:
        model = User
        fields = ["email", "name", "is_active"]

    by: User

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.may_give = roles_to_give(self.by) if self.instance.pk != self.by.pk else set()
        self.had = set(self.instance.groups.values_list("name", flat=True)) if self.instance.pk else set()
        if "roles" in self.fields:
            field = cast(forms.ModelMultipleChoiceField, self.fields["roles"])
            field.queryset = Group.objects.filter(name__in=self.may_give).order_by("name")
            field.initial = Group.objects.filter(name__in=self.had & self.may_give)
            kept = sorted(self.had - self.may_give)
            field.help_text = (
                _("Nobody changes their own roles.")
                if self.instance.pk == self.by.pk
                else _("Practitioner, Clinician and Lead clinician are given by a lead clinician.")
            ) + (" " + gettext("Stays: %(roles)s.") % {"roles": ", ".join(kept)} if kept else "")

    def clean_email(self) -> str:
        """In small letters, and not one that a patient signs in with, or will: no code goes to an address of staff."""
        email = self.cleaned_data["email"].strip().lower()
        other = User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).first()
        patients = Patient.objects.filter(email__iexact=email).exclude(user__isnull=False, user=self.instance.pk)
        if (other is not None and not other.is_staff) or ("email" in self.changed_data and patients.exists()):
            raise ValidationError(_("A patient signs in with this address. Staff need an address of their own."))
        if other is not None:
            raise ValidationError(_("Somebody has this address already: %(name)s."), params={"name": str(other)})
        return email

    def clean_is_active(self) -> bool:
        """Nobody locks themselves out."""
        active = self.cleaned_data["is_active"]
        if not active and self.instance.pk == self.by.pk:
            raise ValidationError(_("You cannot switch off your own account."))
        return active


@admin.register(User)
class StaffAdmin(SearchesInPrivate, KeptAdmin):
    """Staff accounts. Patients' accounts are made and proven by themselves and are not edited here."""

    form = StaffForm
    list_display = ["__str__", "email", "roles", "second_step", "is_active"]
    list_filter = ["is_active", "groups"]
    search_fields = ["name", "email"]
    ordering = ["-is_active", "name", "email"]
    change_form_template = "admin/clinic/user/change_form.html"

    def get_queryset(self, request):
        """Staff only, with their roles and whether the second step is set up."""
        totp = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
        return (
            super()
            .get_queryset(request)
            .filter(is_staff=True)
            .prefetch_related("groups")
            .annotate(has_totp=Exists(totp))
        )

    def has_change_permission(self, request, obj=None) -> bool:
        """An administrator's account is changed by administrators only."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or not obj.is_superuser or request.user.is_superuser)

    def get_readonly_fields(self, request, obj=None):
        """The address is what one signs in with: with another one an account could be taken over, so only an
        administrator changes it; until the first sign-in also whoever gives all its roles, for that takes nothing over.
        Who only gives clinical roles (a lead clinician) changes nothing else."""
        if request.user.is_superuser or obj is None:
            return []
        if not request.user.has_perm("clinic.add_user"):
            return ["email", "name", "is_active"]
        is_new = obj.last_login is None and {group.name for group in obj.groups.all()} <= roles_to_give(request.user)
        return [] if is_new else ["email"]

    def get_form(self, request, obj=None, change=False, **kwargs):
        """A form that knows who fills it in, and says who changes an address."""
        if "email" in self.get_readonly_fields(request, obj):
            who = _(
                "Only an administrator of this site can change this address: it was used to sign in, or there is a "
                "clinical role behind it."
            )
            kwargs["help_texts"] = {"email": who}
        form = super().get_form(request, obj, change=change, **kwargs)
        return type("StaffForm", (form,), {"by": request.user})

    def get_fields(self, request, obj=None):
        """Roles last."""
        return ["email", "name", "is_active", "roles"]

    def save_model(self, request, obj, form, change) -> None:
        """A new one is staff, without a password until they choose one. Another address ends what the old one opens; so
        does a password chosen before the first sign-in: it may be a stranger's, and a new link goes out."""
        is_corrected = change and "email" in form.changed_data
        if not change:
            obj.is_staff = True
        if obj.last_login is None and (is_corrected or not change):
            obj.set_unusable_password()
        obj.save()
        if is_corrected:
            # For oneself this session goes on: one has just shown both steps in it.
            accounts.forget_address(obj, keep=request.session.session_key if obj == request.user else None)
            if obj.last_login is None and obj.is_active:
                self.send_link(request, obj)

    def save_related(self, request, form, formsets, change) -> None:
        """Gives and takes the roles that may be given; the others stay."""
        super().save_related(request, form, formsets, change)
        chosen = {group.name for group in form.cleaned_data.get("roles", [])}
        kept = form.had - form.may_give
        form.instance.groups.set(Group.objects.filter(name__in=kept | (chosen & form.may_give)))
        warn_without_sign_in(request, Practitioner.objects.filter(user=form.instance).first())
        self.warn_without_role(request, form.instance)

    def warn_without_role(self, request, person: User) -> None:
        """Says that an account is of no use yet, and who gives which roles."""
        if person.is_superuser or not person.is_active or person.groups.exists():
            return
        everyday = Group.objects.exclude(name__in=CLINICAL_ROLES).order_by("name").values_list("name", flat=True)
        messages.warning(
            request,
            _(
                "The account of %(name)s opens nothing until it has a role. A manager gives %(everyday)s; a lead "
                "clinician gives %(clinical)s."
            )
            % {
                "name": person,
                "everyday": get_text_list(list(everyday), gettext("and")),
                "clinical": get_text_list(sorted(CLINICAL_ROLES), gettext("and")),
            },
        )

    def construct_change_message(self, request, form, formsets, add=False):
        """Says which roles came and went: that is what one looks for later."""
        message = super().construct_change_message(request, form, formsets, add)
        chosen = {group.name for group in form.cleaned_data.get("roles", [])} & form.may_give
        gone = (form.had & form.may_give) - chosen
        if chosen - form.had or gone:
            words = [f"+{name}" for name in sorted(chosen - form.had)] + [f"-{name}" for name in sorted(gone)]
            message = [*message, {"changed": {"name": "roles", "object": ", ".join(words)}}]  # type: ignore[dict-item]
        return message

    def response_add(self, request, obj, post_url_continue=None):
        """Sends the link with which they choose a password."""
        self.send_link(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def get_urls(self) -> list:
        """Adds the two verbs."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/password-link/", view(require_POST(self.password_link)), name="clinic_user_password_link"),
            path("<int:pk>/second-step/", view(require_POST(self.second_step_again)), name="clinic_user_second_step"),
            *super().get_urls(),
        ]

    def send_link(self, request, person: User) -> None:
        """E-mails the link (through the outbox) and says so."""
        request_password_reset(request, person.email, [person], default_token_generator)
        messages.success(request, gettext("We sent %(email)s a link to choose a password.") % {"email": person.email})

    def password_link(self, request, pk: int) -> HttpResponse:
        """Sends the link once more."""
        person = get_object_or_404(self.get_queryset(request), pk=pk, is_active=True)
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        self.send_link(request, person)
        self.log_change(request, person, gettext("Sent a link to choose a password."))
        return redirect("admin:clinic_user_change", pk)

    def second_step_again(self, request, pk: int) -> HttpResponse:
        """Takes the second factor away (a lost phone): at the next sign-in a new one is set up. Not one's own,
        and only by who gives all the roles of that person: a password alone must not do for a clinician."""
        person = get_object_or_404(self.get_queryset(request), pk=pk)
        held = {group.name for group in person.groups.all()}
        is_theirs = request.user.is_superuser or held <= roles_to_give(request.user)
        if not self.has_change_permission(request, person) or person == request.user or not is_theirs:
            raise PermissionDenied
        Authenticator.objects.filter(user=person).delete()
        self.log_change(request, person, gettext("Took the second step away, to be set up again."))
        messages.success(request, _("At the next sign-in they set up the second step again."))
        return redirect("admin:clinic_user_change", pk)

    @admin.display(description=_("roles"))
    def roles(self, person) -> str:
        """Names of the groups."""
        return ", ".join(group.name for group in person.groups.all())

    @admin.display(description=_("second step"))
    def second_step(self, person) -> str:
        """Whether an authenticator app is set up."""
        return gettext("set up") if person.has_totp else gettext("not yet")


DAY_FORMATS = ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m-%d", "%d %B %Y", "%d %b %Y"]


class PatientForm(RecordAnsweredOnce):
    """A person who is treated, whom we can reach. Before a new one is made, likely doubles are shown and have to be
    looked at."""

    birth_date = forms.DateField(
        label=_("Date of birth"),
        input_formats=DAY_FORMATS,
        widget=forms.DateInput(format="%d/%m/%Y"),
        help_text=_("Day, month, year, such as 4/5/1990 or 4 May 1990."),
        error_messages={
            "required": _("Give the date of birth."),
            "invalid": _("Give the date of birth as day, month and year, such as 4/5/1990."),
        },
    )
    is_somebody_new = forms.BooleanField(
        label=_("I have looked: this is another person"),
        required=False,
        help_text=_("Only needed when we know somebody who looks the same. Two records cannot be made one later."),
    )

    class Meta:
        model = Patient
        fields = ["name", "birth_date", "phone", "email"]
        field_classes = {"name": NameField, "phone": PhoneField}
        error_messages = {"name": {"required": _("Give the full name.")}}
        help_texts = {"email": _("Leave it empty if they have none. Without it no message is sent.")}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        user = self.instance.user
        # Nobody at the desk takes over the account of a colleague who is also treated here.
        self.sign_in = user if user is not None and not user.is_staff and not user.is_superuser else None
        if self.sign_in is not None and "email" in self.fields:
            self.fields["email"].help_text = _(
                "They sign in with this address. If you change it, codes go to the new one, and they are signed out on "
                "all devices. Without an address they cannot sign in."
            )

    def clean_email(self) -> str:
        """Nobody gets an address of staff: no code would ever be sent there. Whoever signs in gets none that another
        patient signs in with: the code would open the other's record."""
        email = self.cleaned_data["email"]
        if not email or "email" not in self.changed_data:
            return email
        other = User.objects.holding(email).exclude(pk=self.instance.user_id).select_related("patient").first()
        if other is not None and (other.is_staff or other.is_superuser):
            raise ValidationError(_("A member of staff signs in with this address. Ask for a private one."))
        if other is not None and self.sign_in is not None:
            raise ValidationError(
                _("%(name)s signs in with this address already. Ask for another one: two people cannot share it."),
                params={"name": f"{other.patient.name} ({other.patient.reference})"},
            )
        return email

    def clean_birth_date(self) -> date:
        """A day on which somebody can have been born who is grown up now: of others nothing is kept (DESIGN 5)."""
        day, today = self.cleaned_data["birth_date"], today_at(timezone.now())
        if not date(1900, 1, 1) <= day <= today:
            raise ValidationError(_("Nobody was born on that day. Please check the year."))
        if "birth_date" in self.changed_data and not is_adult(day, today):
            raise ValidationError(
                _("We treat nobody under 18, and keep nothing about them. Please check the year of birth.")
            )
        return day

    def way_to(self, patient: Patient) -> str:
        """Where one goes on with somebody we know already."""
        return reverse("admin:clinic_patient_change", args=[patient.pk])

    def clean(self) -> dict:
        """Asks for a way to reach them: who is only a name and a birthday is told of no change. Shows who looks like
        the same person, once."""
        cleaned = super().clean() or self.cleaned_data
        ways = {"phone", "email"}
        if not any(cleaned.get(way) for way in ways) and not ways & set(self.errors):
            self.add_error("phone", _("Give a phone number or an e-mail address, so that we can reach them."))
        if self.instance.pk is None and not self.errors and not cleaned.get("is_somebody_new"):
            asked = Patient(**{name: cleaned[name] for name in ("name", "birth_date", "phone", "email")})
            doubles = list(asked.likely_duplicates()[:5])
            if doubles:
                raise ValidationError(
                    format_html(
                        "{} {}",
                        _("We may know this person already. Look first, or tick the box below:"),
                        format_html_join(
                            ", ",
                            '<a href="{}">{}</a> ({}, {}, {})',
                            (
                                (
                                    self.way_to(patient),
                                    patient.name,
                                    f"{patient.birth_date:%d/%m/%Y}",
                                    patient.phone or "–",
                                    patient.reference,
                                )
                                for patient in doubles
                            ),
                        ),
                    )
                )
        return cleaned


@admin.register(Patient)
class PatientAdmin(SearchesInPrivate, KeptAdmin):
    """Patients: found by name, phone, birth date or reference."""

    form = PatientForm
    list_display = ["name", "born", "phone", "reference", "signs_in"]
    ordering = ["-created_at"]
    search_fields = ["name"]  # shows the search box; the search itself is below
    search_help_text = _("Name, phone, date of birth (4/5/1990 or 4 May 1990) or reference")
    change_form_template = "admin/clinic/patient/change_form.html"

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        """With what the apps know about the patient."""
        if obj is not None:
            context["panels"] = drawn_panels("patient", request, timezone.now(), obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_queryset(self, request):
        """All for who runs the desk or reads screenings; for a practitioner, those they see about now."""
        patients = super().get_queryset(request).select_related("user")
        sees_all = request.user.has_perm("clinic.change_patient") or request.user.has_perm("screening.view_answers")
        if sees_all or request.user.has_perm("clinic.change_clinic"):
            return patients
        return patients.filter(pk__in=patients_treated_by(request.user, timezone.now()))

    def save_model(self, request, obj, form, change) -> None:
        """With another address they sign in with that one (`accounts.move_sign_in`). Says when one is shared, and when
        another date of birth than they gave with their answers puts visits back."""
        corrected = change and "birth_date" in form.changed_data
        if corrected:
            Clinic.keep_policies()
        super().save_model(request, obj, form, change)
        if corrected and (hit := grounds_changed(request.user, timezone.now(), obj)):
            words = ngettext(
                "With this date of birth one confirmed visit waits for a clinician again.",
                "With this date of birth %(count)s confirmed visits wait for a clinician again.",
                hit,
            )
            messages.warning(request, words % {"count": hit})
        if change and form.sign_in is not None and "email" in form.changed_data:
            accounts.move_sign_in(obj, form.sign_in)
        if obj.shares_address():
            messages.warning(
                request,
                _(
                    "Somebody else signs in with this e-mail address. %(name)s cannot answer the questions with it: "
                    "ask for another address."
                )
                % {"name": obj.name},
            )

    def get_search_results(self, request, queryset, search_term):
        """By what people say of themselves."""
        return (queryset.matching(search_term) if search_term.strip() else queryset), False

    def get_fields(self, request, obj=None):
        """The question about doubles only for a new one; the reference for one who has it."""
        fields = ["name", "birth_date", "phone", "email"]
        return [*fields, "is_somebody_new"] if obj is None else ["reference", *fields]

    def get_readonly_fields(self, request, obj=None):
        """The reference is never chosen."""
        return ["reference"] if obj is not None else []

    def log_addition(self, request, obj, message):
        """Under the reference: a record of what staff did outlives the person's name here."""
        return self.without_name(super().log_addition(request, obj, message), obj)

    def log_change(self, request, obj, message):
        """As `log_addition`."""
        return self.without_name(super().log_change(request, obj, message), obj)

    def without_name(self, entry, patient):
        """The entry with the reference where Django writes the name."""
        entry.object_repr = patient.reference
        entry.save(update_fields=["object_repr"])
        return entry

    @admin.display(description=_("born"), ordering="birth_date")
    def born(self, patient) -> str:
        """As it is said on the phone."""
        return f"{patient.birth_date:%d/%m/%Y}"

    @admin.display(description=_("signs in"))
    def signs_in(self, patient) -> str:
        """Whether they have proven an address."""
        if patient.user:
            return patient.user.email
        return gettext("not signed in yet") if patient.email else gettext("by phone only")


class NotRung(NeedsFirst):
    """Who has not been rung yet."""

    needs = _("to ring")

    def needing(self, queryset):
        """Not done."""
        return queryset.filter(done_at=None)


@admin.register(CallBack)
class CallBackAdmin(KeptAdmin):
    """Who asked to be rung, oldest first. One button: rung."""

    list_display_links = None
    list_filter = [NotRung]
    ordering = ["created_at"]

    def has_add_permission(self, request) -> bool:
        """Patients ask on a page; the desk rings at once."""
        return False

    def get_list_display(self, request):
        """The button is for who may press it."""
        last = "rung" if request.user.has_perm("clinic.change_callback") else "rung_by"
        return ["name", "phone_link", "about", "language", "asked", last]

    def get_queryset(self, request):
        """With who rang."""
        return super().get_queryset(request).select_related("done_by")

    def get_urls(self) -> list:
        """Adds the verb; there is no form to edit what somebody asked."""
        view = self.admin_site.admin_view(require_POST(self.mark_rung))
        return [path("<int:pk>/rung/", view, name="clinic_callback_rung"), *super().get_urls()]

    def has_change_permission(self, request, obj=None) -> bool:
        """Not by a form: see `rung`."""
        return False

    def mark_rung(self, request, pk: int) -> HttpResponse:
        """Records that they were rung, with who and when."""
        if not request.user.has_perm("clinic.change_callback"):
            raise PermissionDenied
        call_back = get_object_or_404(CallBack, pk=pk)
        call_back.mark_done(by=request.user, now=timezone.now())
        messages.success(request, gettext("%(name)s was rung.") % {"name": call_back.name})
        return redirect("admin:clinic_callback_changelist")

    @admin.display(description=_("phone"))
    def phone_link(self, call_back):
        """To press on a phone."""
        return format_html('<a href="tel:{}">{}</a>', call_back.phone.as_e164, call_back.phone)

    @admin.display(description=_("asked"), ordering="created_at")
    def asked(self, call_back) -> datetime:
        """When."""
        return call_back.created_at

    @admin.display(description=_("rung"))
    def rung_by(self, call_back) -> str:
        """Who and when."""
        if call_back.done_at is None:
            return gettext("not yet")
        when = timezone.localtime(call_back.done_at)
        return gettext("%(name)s, %(when)s") % {"name": call_back.done_by, "when": f"{when:%d/%m/%Y %H:%M}"}

    @admin.display(description=_("rung"))
    def rung(self, call_back):
        """Who and when, or the button. It posts within the form of the list, which carries the CSRF token."""
        if call_back.done_at:
            return self.rung_by(call_back)
        return format_html(
            '<button class="verb" type="submit" formaction="{}">{} <span class="visually-hidden">{}</span></button>',
            reverse("admin:clinic_callback_rung", args=[call_back.pk]),
            _("I have rung"),
            call_back.name,
        )
