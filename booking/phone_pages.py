"""Finding a time for somebody: moving a visit, and booking who phones, in three steps."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from booking import appointments, availability, desk, notices
from booking.availability import Slot, Wanted
from booking.changing import Refusal, Taken
from booking.choosing import not_free
from booking.forms import SlotField
from booking.models import Appointment
from booking.placing import overbooked, overbooks
from booking.staff_pages import SearchForm, StaffPages, StaffRequest, said
from clinic.admin import PatientForm
from clinic.ages import is_adult
from clinic.days import in_calendar
from clinic.forms import AnsweredOnce
from clinic.models import Location, Patient, Practitioner, Treatment, today_at
from screening import clearance

Status = Appointment.Status
DAY = timedelta(days=1)
SHOWN_DAYS = 7
LOOKED_AHEAD = 56  # how many days are asked about for the first that is not refused


class OneOf(forms.TypedChoiceField):
    """A choice among rows that were read already: cleaned it is the row, and nothing is read again."""

    def __init__(self, rows: Iterable[models.Model], key: str, *, nothing: str, **kwargs) -> None:
        by_key = {getattr(row, key): row for row in rows}
        super().__init__(
            choices=[("", nothing), *((value, str(row)) for value, row in by_key.items())],
            coerce=by_key.__getitem__,
            empty_value=None,
            **kwargs,
        )


class CallerForm(PatientForm):
    """Somebody new on the phone; whoever is known already is booked for."""

    def way_to(self, patient: Patient) -> str:
        """On to the times."""
        return reverse("admin:booking_appointment_phone_times", args=[patient.uuid])


class TimesForm(AnsweredOnce):
    """Which times to look for: from a day on, with anybody or somebody, at a place or at all."""

    first = forms.DateField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": gettext_lazy("Give the first day to look at as day, month and year.")},
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.practitioners = list(Practitioner.objects.filter(is_active=True))
        self.places = list(Location.objects.filter(is_active=True))
        self.fields["practitioner"] = OneOf(
            self.practitioners, "slug", label=_("Practitioner"), nothing=_("Anybody"), required=False
        )
        self.fields["location"] = OneOf(self.places, "slug", label=_("Place"), nothing=_("Anywhere"), required=False)

    def clean_first(self) -> date | None:
        """A day that a calendar here knows."""
        first = self.cleaned_data["first"]
        if first is not None and not in_calendar(first):
            raise ValidationError(_("Please check the year."))
        return first


class PhoneTimesForm(TimesForm):
    """The same for a new visit: what for, and where on the body."""

    overbook = forms.BooleanField(
        label=gettext_lazy("Also times when the practitioner is busy (overbooking)"), required=False
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        treatments = list(Treatment.objects.offered().prefetch_related("areas"))
        areas = {area.pk: area for treatment in treatments for area in treatment.areas.all()}
        self.fields["treatment"] = OneOf(
            treatments,
            "slug",
            label=_("Treatment"),
            nothing=_("Choose"),
            error_messages={"required": _("Choose what it is for.")},
        )
        self.fields["area"] = OneOf(
            [areas[pk] for pk in sorted(areas)],
            "code",
            label=_("Area"),
            nothing=_("Choose"),
            required=False,
            help_text=_("For treatments; not for a talk."),
        )
        self.order_fields(["treatment", "area", "first", "practitioner", "location", "overbook"])

    def clean(self) -> dict:
        """A treatment has an area; the only one is taken by itself."""
        cleaned = super().clean() or self.cleaned_data
        treatment = cleaned.get("treatment")
        if treatment is None or not treatment.needs_screening:
            cleaned["area"] = None
            return cleaned
        areas = list(treatment.areas.all())
        if cleaned.get("area") is None and len(areas) == 1:
            cleaned["area"] = areas[0]
        if cleaned.get("area") not in areas and "area" not in self.errors:
            names = ", ".join(str(area) for area in areas)
            self.add_error("area", _("Choose an area that this treatment is for: %(areas)s.") % {"areas": names})
        return cleaned


def why_not(refusal: Refusal, treatment: Treatment, slot: Slot, now: datetime) -> str:
    """What the desk reads: of a time that is not free also whether anybody has it at all."""
    words = not_free(treatment, slot, now).get("sentence") if isinstance(refusal, Taken) else None
    return words or said(refusal)


class DaysFor:
    """On which days somebody may have a treatment, as far as the rules and the clinicians have said."""

    def __init__(self, patient: Patient, treatment: Treatment, *, area, now: datetime) -> None:
        self.patient, self.treatment, self.area, self.now = patient, treatment, area, now
        self.asked: list[date | None] = []  # what the rules said, asked once

    def words(self, first: date, days: int) -> dict[date, str]:
        """What `clearance.readiness` says of each of these days; that it cannot be also where no decision covers it
        and the newest answers do not let it be asked for. As many queries for many days as for one."""
        who, what = self.patient.pk, (self.treatment, self.area.pk if self.area else None)
        each = [first + offset * DAY for offset in range(days)]
        words = clearance.readiness([(day, who, *what, day) for day in each], now=self.now)
        unsaid = [day for day, word in words.items() if word in (clearance.UPDATE_DUE, clearance.WAITING)]
        since = self._asked_from(unsaid[0]) if unsaid else None
        return words | {day: clearance.CANNOT for day in unsaid if since is None or day < since}

    def first_open(self, first: date) -> date | None:
        """The first day from `first` on that neither the rules nor a clinician refuse; None: none is near."""
        words = self.words(first, LOOKED_AHEAD)
        return next((day for day, word in words.items() if word != clearance.CANNOT), None)

    def _asked_from(self, on: date) -> date | None:
        """The first day from `on` on that may be asked for; None: none. Any, where no answers do: they get a form."""
        if not self.asked:
            newest: Any = clearance.finished_responses([self.patient.pk]).values("pk")[:1]  # read with the answers
            asking = clearance.may_ask(newest, self.treatment, area=self.area, on=on, now=self.now)
            self.asked = [None if asking.is_no else asking.earliest or on]
        return self.asked[0]


def refused_words(first: date | None) -> str:
    """What the desk reads of a day that is refused; `first` is the first that is not."""
    if first is None:
        return _("This treatment cannot be booked for that day. A consultation can.")
    return _("This treatment cannot be booked for that day. It can from %(day)s on.") % {
        "day": formats.date_format(first, "l j F Y")
    }


class ChosenForm(AnsweredOnce):
    """One time of those shown."""

    slot = SlotField()


class BookForm(ChosenForm):
    """The last step on the phone. `request_key` makes two presses one appointment."""

    request_key = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={"invalid": gettext_lazy("Please go back one step and choose the time again.")},
    )
    overbook_reason = forms.CharField(
        label=gettext_lazy("Why beside another visit?"),
        help_text=gettext_lazy(
            "Needed where the practitioner is busy then. Kept with the appointment and your name; without anything "
            "about health."
        ),
        max_length=200,
        required=False,
    )


@dataclass(frozen=True)
class Found:
    """Free times of a week, as `by_day` and as they are; where there are none, the first day after it that has some."""

    days: list = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    next_free: date | None = None
    is_refused: bool = False  # every day is


class PhonePages(StaffPages):
    """Another time, or a first one."""

    def free(
        self, form: TimesForm, wish: dict, treatment: Treatment, *, now: datetime, patient, area, exclude=None
    ) -> Found:
        """Free times for the front desk, a week from the wished day on, without the days that the rules or a clinician
        refuse."""
        first = max(wish.get("first") or date.min, today_at(now, form.places))
        who, where = wish.get("practitioner"), wish.get("location")
        days_for = DaysFor(patient, treatment, area=area, now=now)
        words = days_for.words(first, SHOWN_DAYS)
        overbook = bool(wish.get("overbook"))
        diary = availability.Diary([treatment], now=now, first=first, days=SHOWN_DAYS, practitioner=who, location=where)
        diary.read_busy(first, SHOWN_DAYS, patient=patient, exclude=exclude, overbook=overbook)
        wanted = {"patient": patient, "area": area, "staff": True}
        slots = list(diary.slots(treatment, Wanted(one_each=who is None, **wanted), first=first, days=SHOWN_DAYS))
        if set(words.values()) != {clearance.READY}:
            # They need the time that a clinician has to answer; it can differ from place to place.
            answered = {pk: diary.earliest_start(pk, cleared=False) for pk in diary.zones}

            def may_begin(slot: Slot) -> bool:
                word = words[slot.starts_at.astimezone(diary.zones[slot.location_id]).date()]
                in_time = slot.starts_at >= answered[slot.location_id]
                return word == clearance.READY or (word != clearance.CANNOT and in_time)

            slots = [slot for slot in slots if may_begin(slot)]
            wanted["not_before"] = max(answered.values(), default=now)
        days = self.by_day(form, slots)
        if days:
            return Found(days, slots)
        earliest = days_for.first_open(first + SHOWN_DAYS * DAY)
        if earliest is None:
            return Found(is_refused=True)
        wanted |= {"practitioner": who, "location": where, "exclude": exclude, "earliest": earliest}
        later = availability.first_free(treatment, now=now, **wanted)
        # That looks further ahead than the diary: a place whose hours begin late is in its answer only.
        place = next((place for place in form.places if later and place.pk == later.location_id), None)
        return Found(next_free=place.day_of(later.starts_at) if later and place else None)

    def by_day(self, form: TimesForm, slots: list[Slot]) -> list:
        """Slots as [(local day, [(who and where, [(key, clock)])])]."""
        places = {place.pk: place for place in form.places}
        people = {person.pk: person for person in form.practitioners}
        days: dict[date, dict[str, list]] = {}
        for slot in sorted(slots):
            place, person = places.get(slot.location_id), people.get(slot.practitioner_id)
            if place is None or person is None:
                continue  # opened since the form was read
            local = slot.starts_at.astimezone(place.zone)
            days.setdefault(local.date(), {}).setdefault(f"{person.name}, {place.name}", []).append(
                (slot.key, f"{local:%H:%M}")
            )
        return [(day, sorted(rows.items())) for day, rows in sorted(days.items())]

    def weeks(self, request: StaffRequest, first: date | None, next_free: date | None, *, today: date) -> dict:
        """The addresses of the weeks before and after, and of the next free day, with everything else as it was."""
        first = max(first or today, today)

        def week(day: date) -> str:
            query = request.GET.copy()
            query["first"] = day.isoformat()
            return f"?{query.urlencode()}"

        earlier = max(first - SHOWN_DAYS * DAY, today)
        return {
            "first_day": first,
            "last_day": first + (SHOWN_DAYS - 1) * DAY,
            "week_before": week(earlier) if earlier < first else "",
            "week_after": week(first + SHOWN_DAYS * DAY),
            "next_free": next_free,
            "week_of_next_free": week(next_free) if next_free else "",
        }

    def move(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Shows free times of a week; POST gives the appointment one of them."""
        visit, now = self.visit(request, key), timezone.now()
        times = TimesForm(request.GET if "first" in request.GET else None, initial={"first": visit.local_date})
        wish = times.cleaned_data if times.is_bound and times.is_valid() else {"first": visit.local_date}
        chosen = ChosenForm(request.POST if request.method == "POST" else None)
        alternatives = []
        if chosen.is_bound and chosen.is_valid():
            try:
                moved = appointments.move(
                    visit,
                    slot=chosen.cleaned_data["slot"],
                    by="staff",
                    user=request.user,
                    seen=request.POST.get("seen"),
                    now=now,
                )
            except Refusal as refusal:
                chosen.add_error("slot", why_not(refusal, visit.treatment, chosen.cleaned_data["slot"], now))
                alternatives = self.by_day(times, refusal.alternatives) if isinstance(refusal, Taken) else []
            else:
                messages.success(request, self.moved_words(moved))
                return redirect(self.back(request, moved))
        movable = visit.status in Appointment.OPEN
        found = Found()
        if movable:
            found = self.free(
                times, wish, visit.treatment, now=now, patient=visit.patient, area=visit.area, exclude=visit
            )
        return self.page(
            request,
            "move",
            title=_("Move"),
            visit=visit,
            movable=movable,
            form=times,
            chosen=chosen,
            errors=chosen.errors,
            days=found.days,
            alternatives=alternatives,
            is_refused=found.is_refused,
            back=self.back(request, visit),
            status=422 if chosen.errors else 200,
            **self.weeks(request, wish.get("first"), found.next_free, today=today_at(now, times.places)),
        )

    def moved_words(self, visit: Appointment) -> str:
        """What the desk says now."""
        words = _("Moved: %(name)s now comes on %(when)s.") % {
            "name": visit.whose.name,
            "when": notices.local_text(visit.starts_at, visit.location),
        }
        if visit.status == Status.PENDING:
            words += " " + _("A clinician still has to answer; the patient should not travel yet.")
        if not visit.whose.email:
            words += " " + _("There is no e-mail address: please tell them yourself.")
        return words

    # --- by phone

    def phone(self, request: StaffRequest) -> HttpResponse:
        """Step 1: who is it? A search first; somebody new only after looking."""
        now = timezone.now()
        is_new = request.method == "POST" and "new" in request.POST
        form = SearchForm(request.POST if request.method == "POST" else None)
        people: list[desk.Person] = []
        more, searched = False, ""
        if form.is_bound and form.is_valid():
            searched = form.cleaned_data["q"]
            people, more = desk.find(searched, now=now)
        # Who was looked for by name is new under that name. What has digits in it was something else, and one word that
        # found others was only a part.
        is_name = not any(letter.isdigit() for letter in searched) and (not people or " " in searched)
        name = searched if is_name else ""
        new = CallerForm(request.POST if is_new else None, prefix="new", initial={"name": name})
        if is_new and new.is_valid():
            patient = new.save()
            messages.success(request, _("%(name)s is a patient now.") % {"name": patient.name})
            return redirect("admin:booking_appointment_phone_times", patient.uuid)
        return self.page(
            request,
            "phone_who",
            title=_("Book by phone"),
            form=form,
            new=new,
            errors=new.errors,
            people=people,
            more=more,
            searched=searched,
            show_new=is_new or bool(searched),
            status=422 if new.errors else 200,
        )

    def person(self, key: uuid.UUID) -> Patient:
        """The patient of an address, or 404."""
        found = Patient.objects.filter(uuid=key).first()
        if found is None:
            raise Http404
        return found

    def phone_times(self, request: StaffRequest, person: uuid.UUID) -> HttpResponse:
        """Step 2: what for, and when."""
        patient, now = self.person(person), timezone.now()
        form = PhoneTimesForm(request.GET if "treatment" in request.GET else None)
        today = today_at(now, form.places)
        if not is_adult(patient.birth_date, today):
            return self.page(request, "phone_too_young", title=_("Book by phone"), patient=patient)
        found, wish = Found(), {}
        if form.is_bound and form.is_valid():
            wish = form.cleaned_data
            found = self.free(form, wish, wish["treatment"], now=now, patient=patient, area=wish["area"])
        return self.page(
            request,
            "phone_times",
            title=_("Book by phone"),
            patient=patient,
            form=form,
            errors=form.errors,
            wish=wish,
            days=found.days,
            is_refused=found.is_refused,
            beside=overbooked(wish["treatment"], found.slots, now=now) if wish.get("overbook") else (),
            **self.weeks(request, wish.get("first"), found.next_free, today=today),
        )

    def phone_confirm(self, request: StaffRequest, person: uuid.UUID) -> HttpResponse:
        """Step 3: says what will happen; POST books."""
        patient, now = self.person(person), timezone.now()
        wished = PhoneTimesForm(request.GET)
        times = reverse("admin:booking_appointment_phone_times", args=[patient.uuid])
        query = request.GET.copy()
        query.pop("slot", None)
        back = f"{times}?{query.urlencode()}"
        if not wished.is_valid():
            return redirect(back)
        wish = wished.cleaned_data
        initial = {"slot": request.GET.get("slot"), "request_key": uuid.uuid4()}
        form = BookForm(request.POST if request.method == "POST" else None, initial=initial)
        alternatives = []
        if form.is_bound and form.is_valid():
            try:
                return self.book(request, patient, wish, form, now=now)
            except Refusal as refusal:
                there = self.already_there(patient, form.cleaned_data["slot"])
                if there is not None:  # "back" after booking, and pressed once more
                    messages.info(request, _("This is booked already: here it is."))
                    return redirect("admin:booking_appointment_change", there.uuid)
                if isinstance(refusal, Taken) and wish["overbook"] and not form.cleaned_data["overbook_reason"]:
                    form.add_error("overbook_reason", _("Say why, or choose a free time."))
                else:
                    form.add_error(None, why_not(refusal, wish["treatment"], form.cleaned_data["slot"], now))
                alternatives = self.by_day(wished, refusal.alternatives) if isinstance(refusal, Taken) else []
        chosen = self.chosen_time(form, wished, now=now)
        if isinstance(chosen, str):
            messages.error(request, chosen)
            return redirect(back)
        slot, place, who = chosen
        treatment, area, on = wish["treatment"], wish["area"], place.day_of(slot.starts_at)
        days_for = DaysFor(patient, treatment, area=area, now=now)
        word = days_for.words(on, 1)[on]
        if word == clearance.CANNOT:
            messages.error(request, refused_words(days_for.first_open(on)))
            return redirect(back)
        return self.page(
            request,
            "phone_confirm",
            title=_("Book by phone"),
            patient=patient,
            wish=wish,
            form=form,
            errors=form.errors,
            slot=slot,
            when=notices.local_text(slot.starts_at, place),
            place=place,
            practitioner=who,
            price=treatment.price_on(on),
            at_once=word == clearance.READY,
            is_beside=wish["overbook"] and overbooks(treatment, slot, now=now),
            alternatives=alternatives,
            back=back,
            status=422 if form.errors else 200,
        )

    def book(
        self, request: StaffRequest, patient: Patient, wish: dict, form: BookForm, *, now: datetime
    ) -> HttpResponse:
        """Books the time of the form and says so. Raises what the verb raises."""
        made = appointments.book_by_phone(
            patient=patient,
            treatment=wish["treatment"],
            area=wish["area"],
            slot=form.cleaned_data["slot"],
            by=request.user,
            now=now,
            overbook_reason=form.cleaned_data["overbook_reason"] if wish["overbook"] else "",
            request_key=form.cleaned_data["request_key"],
        )
        if made.patient_id != patient.pk:
            raise Http404
        for level, words in self.booked_words(made):
            messages.add_message(request, level, words)
        return redirect("admin:booking_appointment_change", made.uuid)

    def already_there(self, patient: Patient, slot: Slot) -> Appointment | None:
        """Their own visit at exactly that time with that practitioner, if they have one."""
        visits = Appointment.objects.occupying().filter(patient=patient, starts_at=slot.starts_at)
        return visits.filter(practitioner=slot.practitioner_id).first()

    def chosen_time(
        self, form: BookForm, wished: TimesForm, *, now: datetime
    ) -> tuple[Slot, Location, Practitioner] | str:
        """The time a confirm page is about (posted, or of the address), where and with whom; or a sentence why not."""
        try:
            slot = Slot.from_key(str(form["slot"].value() or ""))
        except (ValueError, OverflowError):
            return _("Choose one of the times on this page.")
        if slot.starts_at <= now:
            return _("That time is over. Please choose another one.")
        place = next((place for place in wished.places if place.pk == slot.location_id), None)
        who = next((person for person in wished.practitioners if person.pk == slot.practitioner_id), None)
        return (slot, place, who) if place and who else _("Choose one of the times on this page.")

    def booked_words(self, visit: Appointment) -> list[tuple[int, str]]:
        """What was booked and what the desk does or says now."""
        when = notices.local_text(visit.starts_at, visit.location)
        if visit.status == Status.BOOKED:
            words = [(messages.SUCCESS, _("Booked: %(name)s, %(when)s.") % {"name": visit.whose.name, "when": when})]
            if not visit.whose.email:
                words.append((messages.WARNING, _("No e-mail address: please say day, time and place on the phone.")))
            return words
        words = [
            (
                messages.SUCCESS,
                _("Asked for: %(name)s, %(when)s. The time is kept.") % {"name": visit.whose.name, "when": when},
            )
        ]
        if visit.form_due_by:
            due = notices.local_text(visit.form_due_by, visit.location)
            if visit.whose.email:
                words.append(
                    (messages.INFO, _("The link to the form is on its way. Form due by %(due)s.") % {"due": due})
                )
            else:
                words.append(
                    (
                        messages.WARNING,
                        _(
                            "Form due by %(due)s, but we have no e-mail address and cannot send the link. Ask for an "
                            "address, add it to the patient’s record, and press “Send the form link”. Without the "
                            "form the time is let go."
                        )
                        % {"due": due},
                    )
                )
        elif visit.answer_by:
            answer = notices.local_text(visit.answer_by, visit.location)
            words.append(
                (messages.INFO, _("A clinician answers by %(when)s. Please do not travel before.") % {"when": answer})
            )
        return words
