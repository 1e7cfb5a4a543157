"""`manage.py demo`: a believable clinic with invented people, made through the same verbs as real ones."""

import itertools
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from booking import appointments, availability, holding
from booking.models import Appointment, Closure, TimeOff, WorkingHours
from clinic.management.alone import alone
from clinic.models import Area, CallBack, Clinic, Location, Patient, Practitioner, Room, Treatment, TreatmentPrice, User
from education.models import Article
from outbox.models import Message
from screening import chair, finished, publishing, responses, reviews
from screening.models import Questionnaire, QuestionnaireResponse, Review, ReviewRequest

PASSWORD = "demo-clinic-2026"  # noqa: S105 -- invented people in a database that is marked as a demonstration

# short name, name, roles; all at demo.example, a name that nobody can own
STAFF = [
    ("desk", "Dana Okoye", ["Front desk"]),
    ("clinician", "Dr Mira Lindqvist", ["Clinician", "Practitioner"]),
    ("lead", "Dr Samuel Adeyemi", ["Lead clinician", "Practitioner"]),
    ("nurse", "Jo Farrugia", ["Practitioner"]),
    ("nurse2", "Anna Vella", ["Practitioner"]),
    ("nurse3", "Tom Hale", ["Practitioner"]),
    ("editor", "Priya Nair", ["Content editor"]),
    ("manager", "Ellis Grant", ["Manager"]),
]

# short name, profession, registration, about, location, first of five working days, treatments
ALL = ["consultation", "acne-scars-face", "acne-scars-back", "surgical-scar", "stretch-marks", "review-visit"]
PRACTITIONERS = [
    ("clinician", "Dermatologist", "GMC demo 0000001", "Sees scars of every kind since 2009.", "bath", 0, ALL),
    (
        "lead",
        "Aesthetic doctor",
        "GMC demo 0000002",
        "Leads the clinicians and reads every question.",
        "valletta",
        0,
        ALL,
    ),
    ("nurse", "Nurse, skin care", "NMC demo 00A0001E", "Known for going slowly.", "valletta", 2, ALL),
    (
        "nurse2",
        "Nurse prescriber",
        "NMC demo 00A0002E",
        "Looks after people with acne scars.",
        "bath",
        2,
        ALL[:3] + ALL[5:],
    ),
    (
        "nurse3",
        "Nurse, scar care",
        "NMC demo 00A0003E",
        "Worked on a burns ward for ten years.",
        "bath",
        4,
        ALL[:1] + ALL[3:],
    ),
]

LOCATIONS = [
    {
        "slug": "bath",
        "name": "Bath, Milsom House",
        "address": "4 Example Street\nBath BA1 0XX",
        "directions": "Five minutes from the station. The door is left of the bookshop. There is a lift.",
        "phone": "+441174960100",
        "out_of_hours": "Call NHS 111.",
        "emergency": "Call 999. Trouble breathing, a swollen face or tongue, and collapse are emergencies.",
        "time_zone": "Europe/London",
    },
    {
        "slug": "valletta",
        "name": "Valletta, Harbour Rooms",
        "address": "12 Example Street\nValletta",
        "directions": "Two minutes from the bus terminus, on the ground floor.",
        "phone": "+35620990100",
        "out_of_hours": "Call the night doctor on 1400.",
        "emergency": "Call 112. Trouble breathing, a swollen face or tongue, and collapse are emergencies.",
        "time_zone": "Europe/Malta",
    },
]
ROOMS = {"bath": ["Garden room", "Quiet room"], "valletta": ["Sea room", "Lantern room"]}
PRICES = {
    "consultation": "40.00",
    "acne-scars-face": "160.00",
    "acne-scars-back": "190.00",
    "surgical-scar": "140.00",
    "stretch-marks": "170.00",
    "review-visit": "0.00",
}

# fmt: off
FIRST_NAMES = [
    "Aisha", "Ben", "Chloe", "Daniel", "Elif", "Farah", "George", "Hana", "Ivan", "Joan", "Karim", "Leila", "Marcus",
    "Nadia", "Oscar", "Paula", "Quentin", "Rosa", "Stefan", "Tara", "Umar", "Vera", "Winston", "Xenia", "Yusuf", "Zoe",
    "Amara", "Bilal", "Celia", "Dmitri", "Esther", "Felix", "Grace", "Hugo", "Ines", "Jamal", "Kezia", "Luca", "Maya",
    "Noor",
]
LAST_NAMES = [
    "Abela", "Baker", "Camilleri", "Desai", "Evans", "Fenech", "Green", "Hughes", "Iqbal", "Jones", "Khan", "Lewis",
    "Mizzi", "Nowak", "Osei", "Patel", "Quinn", "Roberts", "Said", "Turner", "Usman", "Vassallo", "Walsh", "Xuereb",
    "Young", "Zammit",
]
# fmt: on

# Answers that raise nothing, by link_id (docs/glossary.md: link_id).
HARMLESS = {
    "treatment-area": ["face"],
    "scar-type": "acne-dented",
    "scar-age": "over-12-months",
    "cold-sores": "never",
    "active-acne": "none",
    "pregnancy": "does-not-apply",
    "breastfeeding": "does-not-apply",
    "recent-procedures": ["none"],
}


def ago(days: int) -> Callable[[date], str]:
    """A day before the day of answering, as it is written in answers."""
    return lambda today: (today - timedelta(days=days)).isoformat()


# What some of them have, as answers laid over the harmless ones.
FINDINGS: dict[str, dict] = {
    "nothing": {},
    "dark marks": {"dark-marks": "yes", "dark-marks-how-long": "months"},
    "skin care": {"active-skincare": "yes", "active-skincare-which": "A retinol cream at night"},
    "cold sores": {"cold-sores": "before", "cold-sores-per-year": 2, "cold-sores-kidney-or-allergy": "no"},
    "aspirin": {"blood-thinners": "yes", "blood-thinners-which": ["aspirin"]},
    "eczema as a child": {"eczema": "past", "eczema-where": "Elbows", "eczema-last-flare": "2009"},
    "asthma spray": {"other-health": "yes", "other-health-what": "I use an asthma inhaler in spring."},
    "a few spots": {"active-acne": "a-few"},
    "nickel": {
        "allergy-metal": "nickel",
        "allergy-metal-what": "A rash from cheap earrings",
        "allergy-metal-patch-tested": "no",
    },
    "relative": {"keloid": "relative", "keloid-who": "My mother"},
    "waxing": {"recent-procedures": ["waxing"], "recent-procedures-waxing-on": ago(3)},
    "keloid": {"keloid": "yes", "keloid-where": "Chest"},
    "rosacea": {"rosacea": "now", "rosacea-where": "Cheeks"},
    "isotretinoin": {"isotretinoin": "yes", "isotretinoin-still": "yes"},
}


@dataclass
class Visit:
    """Somebody's answers and appointment while the demonstration is made."""

    patient: Patient
    appointment: Appointment
    response: QuestionnaireResponse | None = None


class Command(BaseCommand):
    help = (
        "Fills an empty database with an invented clinic: places, people, eighty patients, and published content under "
        "invented names. Run again it changes nothing. Refuses a database that holds real patients."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("--patients", type=int, default=80, help="how many invented patients (default: 80)")

    def handle(self, *args, patients: int, verbosity: int, **options) -> None:
        if not settings.DEBUG:
            raise CommandError("The demonstration has open passwords: it is only made where DEBUG is true.")
        with alone("demo", self.stderr):
            if self.make(patients) and verbosity:
                self.stdout.write(f"A demonstration with {Patient.objects.count()} invented patients was made.")
        self.who_can_sign_in(verbosity)

    def make(self, patients: int) -> bool:
        """Makes it where there is none. Whether it did."""
        clinic = Clinic.get()
        if clinic is not None and clinic.is_demo:
            return False
        if Patient.objects.exists():
            raise CommandError("This database holds patients and is not a demonstration. Nothing was changed.")
        if clinic is not None and set(PRICES) - set(Treatment.objects.values_list("slug", flat=True)):
            raise CommandError("The treatments have other short names than a new clinic's. Nothing was changed.")
        now = timezone.now().replace(second=0, microsecond=0)
        with transaction.atomic():
            if clinic is None:
                call_command("setup_clinic", stdout=self.stdout)
            Maker(now).make(patients)
        return True

    def who_can_sign_in(self, verbosity: int) -> None:
        """Prints the invented staff and their password."""
        if not verbosity:
            return
        self.stdout.write("Staff sign in at /admin/ with these addresses and the password " + PASSWORD)
        for short, name, roles in STAFF:
            self.stdout.write(f"  {short + '@demo.example':<24} {name:<20} {', '.join(roles)}")
        self.stdout.write("Patients sign in with a code. Read the messages at /dev/messages/")


class Maker:
    """Makes the demonstration, once, in one transaction. The same day gives the same people."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.random = random.Random(2026)  # noqa: S311 -- invented people, nothing secret
        self.names = self.invented_names()
        # What the rules say no to, turn by turn: a wait with a date, one without, and never.
        self.noes = itertools.cycle(["waxing", "isotretinoin", "keloid"])
        self.noes_by_phone = itertools.cycle(["rosacea", "isotretinoin"])

    def make(self, patients: int) -> None:
        """Everything, in the order in which a real clinic would do it."""
        self.places()
        self.staff()
        self.hours()
        self.content()
        self.people(patients)
        self.loose_ends()
        Clinic.objects.update(is_demo=True)

    # ------------------------------------------------------------ the clinic

    def places(self) -> None:
        """Two locations in different time zones, four rooms, prices."""
        Clinic.objects.filter(pk=1).update(
            name="Fine Line Scar Clinic",
            tagline="We treat scars with microneedling, slowly and with care.",
            phone="+441174960100",
            email="hello@demo.example",
            sender_name="Fine Line",
            outage_contact="Ellis Grant, 0117 496 0102",
        )
        self.locations = {fields["slug"]: Location.objects.create(**fields) for fields in LOCATIONS}
        for slug, names in ROOMS.items():
            Room.objects.bulk_create([Room(location=self.locations[slug], name=name) for name in names])
        first = (self.now - timedelta(days=365)).date()
        Treatment.objects.update(is_active=True)
        self.treatments = {treatment.slug: treatment for treatment in Treatment.objects.all()}
        TreatmentPrice.objects.bulk_create(
            [TreatmentPrice(treatment=self.treatments[s], amount=a, valid_from=first) for s, a in PRICES.items()]
        )
        self.areas = {area.code: area for area in Area.objects.all()}

    def staff(self) -> None:
        """Eight people who sign in, five of whom see patients."""
        self.users: dict[str, User] = {}
        for short, name, roles in STAFF:
            user = User.objects.create_user(f"{short}@demo.example", PASSWORD, name=name, is_staff=True)
            user.groups.set(Group.objects.filter(name__in=roles))
            self.users[short] = user
        Clinic.objects.update(lead_clinician=self.users["lead"])
        self.practitioners: dict[str, Practitioner] = {}
        for short, profession, registration, text, _location, _day, treatments in PRACTITIONERS:
            person = Practitioner.objects.create(
                user=self.users[short],
                name=self.users[short].name,
                slug=self.users[short].name.lower().replace(" ", "-"),
                profession=profession,
                registration=registration,
                text=text,
            )
            person.treatments.set([self.treatments[slug] for slug in treatments])
            self.practitioners[short] = person

    def hours(self) -> None:
        """Five days a week each, so that both places have somebody on most days; three months back, three ahead."""
        today = self.now.date()
        for short, _profession, _registration, _text, location, first_day, _treatments in PRACTITIONERS:
            for day in range(5):
                WorkingHours.objects.create(
                    practitioner=self.practitioners[short],
                    location=self.locations[location],
                    weekday=(first_day + day) % 7,
                    starts=time(9),
                    ends=time(17, 30),
                    break_starts=time(12, 30),
                    break_ends=time(13, 15),
                    valid_from=today - timedelta(days=150),
                    valid_until=today + timedelta(days=92),
                )

    def content(self) -> None:
        """Questionnaires and articles, published under invented names. Every page says that no clinician signed."""
        for questionnaire in Questionnaire.objects.filter(status=Questionnaire.Status.DRAFT):
            publishing.propose(questionnaire, by=self.users["clinician"], now=self.now)
            publishing.publish(questionnaire, by=self.users["lead"], now=self.now)
        self.questionnaire = Questionnaire.objects.active().get(name="microneedling")
        # A questionnaire cannot be filled in before it is published, and the patients' stories begin earlier.
        due = self.now.date() + timedelta(days=364)
        for article in Article.objects.all():
            revision = article.latest_revision()
            assert revision is not None  # setup_clinic gives every article its first words
            revision.ask_for_review(by=self.users["editor"], now=self.now)
            revision.sign(by=self.users["clinician"], now=self.now, review_due=due)
            article.publish(revision, by=self.users["editor"], now=self.now)

    # ------------------------------------------------------------ the patients

    def invented_names(self) -> Iterator[str]:
        """Names that do not come twice."""
        pairs = list(itertools.product(FIRST_NAMES, LAST_NAMES))
        self.random.shuffle(pairs)
        return (f"{first} {last}" for first, last in pairs)

    def patient(self) -> Patient:
        """Somebody who has never existed, 23 to 62 years old."""
        name = next(self.names)
        return Patient.objects.create(
            name=name,
            birth_date=self.now.date() - timedelta(days=self.random.randint(23 * 366, 62 * 365)),
            email=f"{name.lower().replace(' ', '.')}@demo.example",
            phone=f"+44117496{self.random.randint(200, 999):04d}",
            created_at=self.now - timedelta(days=30),
        )

    def signed_in(self, patient: Patient) -> Patient:
        """Who asks online has proven the address with a code. There is no password."""
        user = User.objects.create_user(patient.email, name=patient.name, date_joined=patient.created_at)
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
        patient.user = user
        patient.save(update_fields=["user"])
        return patient

    def people(self, count: int) -> None:
        """`count` patients, their stories shared out as below; whatever finds no free time becomes a consultation."""
        # A small demonstration takes every sixth or so: in this order it still has a desk's usual day.
        stories = [
            (self.treated, 14),
            (self.still_answering, 1),
            (self.corrected, 1),
            (self.in_a_course, 6),
            (self.today, 10),
            (self.withdrawn, 1),
            (self.waited_first, 1),
            (self.waiting, 10),
            (self.booked, 7),
            (self.did_not_come, 3),
            (self.cancelled, 5),
            (self.asked_for_more, 3),
            (self.has_to_wait, 3),
            (self.not_suitable, 3),
            (self.talk_first, 2),
            (self.by_phone_with_something_in_the_way, 2),
            (self.by_phone, 3),
            (self.talked, 2),
            (self.answers_say_no, 3),
        ]
        planned = [story for story, weight in stories for _ in range(weight)]
        order = itertools.cycle(planned) if count > len(planned) else iter(self.spread(planned, count))
        for story in itertools.islice(order, count):
            story()

    @staticmethod
    def spread(planned: list, count: int) -> list:
        """`count` of the planned stories, evenly, so that a small demonstration still shows every kind."""
        return [planned[index * len(planned) // count] for index in range(count)]

    def answers(self, patient: Patient, finding: str, *, area: str, today: date) -> dict:
        """All required answers: harmless, but for one finding."""
        answers = {}
        for question in self.questionnaire.definition().questions:
            if not question.parent:
                answers[question.link_id] = HARMLESS.get(question.link_id, "no")
        answers["age-date-of-birth"] = patient.birth_date.isoformat()
        answers["treatment-area"] = [area]
        for link_id, value in FINDINGS[finding].items():
            answers[link_id] = value(today) if callable(value) else value
        return answers

    def begun(self, patient: Patient, treatment: Treatment, *, at: datetime) -> QuestionnaireResponse:
        """Answers of a patient, with nothing in them yet."""
        return responses.start(
            questionnaire=self.questionnaire,
            treatment=treatment,
            privacy_version=settings.PRIVACY_VERSION,
            now=at,
            patient=patient,
        )

    def screened(self, patient: Patient, treatment: Treatment, finding: str, *, area: str, at: datetime):
        """Finished answers of a patient."""
        today = at.date()
        response = self.begun(patient, treatment, at=at)
        responses.save_answers(response, self.answers(patient, finding, area=area, today=today), now=at)
        return responses.complete(response, today=today, now=at + timedelta(minutes=8))

    def slot(self, treatment: Treatment, day: date, *, days: int = 10, at: datetime, **wanted):
        """A free time from `day` on, as it was free at the instant `at`; None where there is none."""
        free = availability.free_slots(treatment, first=day, days=days, now=at, **wanted)
        return self.random.choice(free[: max(40, len(free) // 3)]) if free else None

    def ask(
        self, slug: str, day: date, *, at: datetime, finding: str = "nothing", days: int = 10, patient=None
    ) -> Visit:
        """A patient answers, chooses a time and asks for it at the instant `at`."""
        treatment = self.treatments[slug]
        patient = patient or self.signed_in(self.patient())
        area = treatment.areas.first()
        response = None
        not_before = None
        if treatment.needs_screening:
            assert area is not None  # it treats at least one
            response = self.screened(patient, treatment, finding, area=area.code, at=at - timedelta(minutes=20))
            location = next(iter(self.locations.values()))
            not_before = availability.earliest_start(now=at, location=location, cleared=False)
        slot = None
        for window in (days, 30, 80):
            slot = self.slot(treatment, day, days=window, at=at, patient=patient, area=area, not_before=not_before)
            if slot:
                break
        if slot is None:
            raise CommandError(f"The invented hours have no room for {treatment}.")
        appointment = holding.hold(
            treatment=treatment,
            slot=slot,
            area=area,
            request_key=uuid.uuid4(),
            now=at,
            response_id=response.pk if response else None,
            patient=patient,
        )
        return Visit(patient, holding.confirm(appointment, patient=patient, now=at), response)

    def decide(self, visit: Visit, outcome: str, *, at: datetime, **words) -> Review:
        """A clinician reads and decides at the instant `at`."""
        assert visit.response is not None
        by = self.users[self.random.choice(["clinician", "lead"])]
        request = ReviewRequest.objects.select_related("response__patient", "treatment", "area").get(
            response=visit.response, closed_at=None
        )
        assessment = reviews.open_for_reading(request, by=by, now=at)
        found = finished.says(visit.response, assessment.on, now=at)
        reasons = {
            finding.rule: "Talked through; mild, and no reason to wait." for finding in reviews.to_address(found)
        }
        if outcome == Review.Outcome.CLEARED and reasons:
            outcome, words["conditions"] = Review.Outcome.CLEARED_WITH_CONDITIONS, "Look at the skin again on the day."
        return reviews.decide(
            request,
            outcome=outcome,
            by=by,
            now=at + timedelta(minutes=6),
            assessment=assessment,
            reasons=reasons,
            statement=reviews.statement_for(request, outcome, found),
            **words,
        )

    def cleared(
        self, slug: str, day: date, *, at: datetime, finding: str | None = None, days: int = 10, **who
    ) -> Visit:
        """Asked for, read the next morning, and booked."""
        finding = finding or self.random.choice(
            ["nothing", "nothing", "dark marks", "skin care", "cold sores", "aspirin"]
        )
        visit = self.ask(slug, day, at=at, finding=finding, days=days, **who)
        if visit.response:
            self.decide(visit, Review.Outcome.CLEARED, at=at + timedelta(hours=5))
        visit.appointment.refresh_from_db()
        return visit

    def come_and_go(self, visit: Visit) -> None:
        """Arrived, checked in and done, as far as the clock allows."""
        appointment, by = visit.appointment, visit.appointment.practitioner.user
        assert by is not None  # every practitioner of the demonstration signs in
        start, end = appointment.starts_at, appointment.ends_at
        if start - timedelta(minutes=7) <= self.now:
            appointments.arrive(appointment, by=self.users["desk"], now=start - timedelta(minutes=7))
        if start + timedelta(minutes=2) <= self.now:
            appointment.refresh_from_db()
            if appointment.treatment.needs_screening:
                self.recheck(appointment, by=by, at=start + timedelta(minutes=1))
            appointments.check_in(
                appointment, by=by, identity_confirmed=True, agreed=True, now=start + timedelta(minutes=2)
            )
        if end <= self.now:
            appointment.refresh_from_db()
            appointments.fulfil(appointment, by=by, now=end)

    def recheck(self, appointment: Appointment, *, by: User, at: datetime) -> None:
        """The short questions before a session, all answered with nothing new."""
        questionnaire = chair.recheck_questionnaire()
        assert questionnaire is not None and appointment.patient is not None and appointment.local_date is not None
        questions = questionnaire.definition().questions
        answers = {q.link_id: HARMLESS.get(q.link_id, q.no_finding[-1]) for q in questions if not q.parent}
        chair.record_recheck(
            appointment.patient, answers, visit=appointment.uuid, by=by, today=appointment.local_date, now=at
        )

    def any_treatment(self) -> str:
        return self.random.choice(["acne-scars-face"] * 5 + ["acne-scars-back", "surgical-scar", "stretch-marks"])

    def days_ago(self, low: int, high: int) -> datetime:
        day = self.now.date() - timedelta(days=self.random.randint(low, high))
        return datetime.combine(day, time(self.random.randint(8, 19), self.random.randint(0, 59)), tzinfo=UTC)

    # each story

    def treated(self) -> None:
        """Came and was treated some weeks ago."""
        at = self.days_ago(20, 80)
        self.come_and_go(self.cleared(self.any_treatment(), at.date() + timedelta(days=4), at=at, days=6))

    def in_a_course(self) -> None:
        """Treated once; the second session is booked on the same clearance."""
        at = self.days_ago(25, 40)
        first = self.cleared("acne-scars-face", at.date() + timedelta(days=4), at=at, days=5)
        self.come_and_go(first)
        assert first.appointment.local_date is not None
        after = max(first.appointment.local_date + timedelta(days=28), self.now.date() + timedelta(days=1))
        self.again(first, after, at=min(self.now - timedelta(hours=3), first.appointment.ends_at + timedelta(days=1)))

    def again(self, first: Visit, day: date, *, at: datetime) -> None:
        treatment, area = first.appointment.treatment, first.appointment.area
        slot = self.slot(treatment, day, at=at, patient=first.patient, area=area)
        if slot is None:
            return
        held = holding.hold(
            treatment=treatment, slot=slot, area=area, request_key=uuid.uuid4(), now=at, patient=first.patient
        )
        holding.confirm(held, patient=first.patient, now=at)

    def today(self) -> None:
        """Has a visit today, or on the next day that has room."""
        at = self.now - timedelta(days=self.random.randint(6, 12))
        slug = self.random.choice(["acne-scars-face", "acne-scars-face", "consultation", "review-visit"])
        visit = self.cleared(slug, self.now.date(), at=at, days=1)
        if visit.appointment.local_date == self.now.date():
            self.come_and_go(visit)

    def waiting(self) -> None:
        """Asked for a time; a clinician still has to read the answers."""
        at = self.now - timedelta(hours=self.random.randint(1, 20))
        finding = self.random.choice(
            [
                "nothing",
                "dark marks",
                "eczema as a child",
                "asthma spray",
                "a few spots",
                "nickel",
                "relative",
                "aspirin",
            ]
        )
        self.ask("acne-scars-face", self.now.date() + timedelta(days=5), at=at, finding=finding, days=20)

    def booked(self) -> None:
        """Read and booked for the weeks to come."""
        at = self.now - timedelta(days=self.random.randint(1, 6))
        day = self.now.date() + timedelta(days=self.random.randint(2, 25))
        self.cleared(self.any_treatment(), day, at=at)

    def did_not_come(self) -> None:
        at = self.days_ago(15, 50)
        visit = self.cleared(self.any_treatment(), at.date() + timedelta(days=4), at=at, days=6)
        late = visit.appointment.starts_at + timedelta(minutes=25)
        appointments.no_show(visit.appointment, by=self.users["desk"], now=late)

    def cancelled(self) -> None:
        at = self.days_ago(4, 30)
        visit = self.cleared(self.any_treatment(), at.date() + timedelta(days=4), at=at)
        appointments.cancel(
            visit.appointment,
            by=Appointment.CancelledBy.PATIENT,
            reason=Appointment.Reason.PATIENT_ASKED,
            now=min(self.now, visit.appointment.starts_at) - timedelta(hours=self.random.choice([5, 40])),
        )

    def asked_for_more(self) -> None:
        """The clinician asked something back."""
        at = self.now - timedelta(hours=30)
        visit = self.ask("acne-scars-face", self.now.date() + timedelta(days=6), at=at, finding="asthma spray", days=15)
        self.decide(
            visit,
            Review.Outcome.NEEDS_INFORMATION,
            at=at + timedelta(hours=4),
            question="How often did you use the inhaler in the last three months? Does your skin react to anything?",
        )

    def has_to_wait(self) -> None:
        """The clinician asked them to wait."""
        at = self.now - timedelta(days=2)
        visit = self.ask("acne-scars-face", self.now.date() + timedelta(days=4), at=at, finding="a few spots", days=15)
        self.decide(
            visit,
            Review.Outcome.DEFERRED,
            at=at + timedelta(hours=6),
            deferred_until=self.now.date() + timedelta(days=42),
            explanation="The spots on your cheeks have to heal first. Needles could spread them.",
        )

    def not_suitable(self) -> None:
        """The clinician said no, with other choices."""
        at = self.now - timedelta(days=3)
        visit = self.ask("acne-scars-face", self.now.date() + timedelta(days=3), at=at, finding="relative", days=15)
        self.decide(
            visit,
            Review.Outcome.NOT_SUITABLE,
            at=at + timedelta(hours=6),
            explanation="Scars grow thick in your family. We would like to talk about gentler ways.",
        )

    def talk_first(self) -> None:
        """The clinician wants to see them before any treatment: the same time becomes a consultation."""
        at = self.now - timedelta(days=1)
        visit = self.ask("acne-scars-face", self.now.date() + timedelta(days=4), at=at, finding="nickel", days=15)
        self.decide(
            visit,
            Review.Outcome.CONSULTATION_REQUIRED,
            at=at + timedelta(hours=6),
            explanation="We would like to hear more about your skin and metal before anybody treats it.",
        )

    def by_phone(self) -> None:
        """Rang us: a treatment with the form still to come, or a consultation."""
        self.phoned(self.random.choice(["acne-scars-face", "consultation"]), at=self.now - timedelta(hours=2))

    def phoned(self, slug: str, *, at: datetime) -> Visit | None:
        """A visit that the desk wrote down at the instant `at`; None where there is no room."""
        treatment, patient = self.treatments[slug], self.patient()
        area = treatment.areas.first()
        slot = self.slot(treatment, self.now.date() + timedelta(days=6), days=14, at=at, patient=patient, area=area)
        if slot is None:
            return None
        return Visit(
            patient,
            appointments.book_by_phone(
                patient=patient, treatment=treatment, area=area, slot=slot, by=self.users["desk"], now=at
            ),
        )

    def by_phone_with_something_in_the_way(self) -> None:
        """Rang us, and the form that came back says no to the day: only a clinician takes the time away."""
        visit = self.phoned("acne-scars-face", at=self.now - timedelta(hours=20))
        if visit is not None and visit.appointment.area is not None:
            self.screened(
                visit.patient,
                visit.appointment.treatment,
                next(self.noes_by_phone),
                area=visit.appointment.area.code,
                at=self.now - timedelta(hours=3),
            )

    def talked(self) -> Visit:
        """Had a consultation."""
        at = self.days_ago(10, 60)
        visit = self.ask("consultation", at.date() + timedelta(days=2), at=at, days=5)
        self.come_and_go(visit)
        return visit

    def answers_say_no(self) -> None:
        """Had a consultation and answered the questions; no time for a treatment can be asked for, or not yet."""
        patient, at = self.talked().patient, self.now - timedelta(hours=self.random.randint(2, 20))
        response = self.screened(patient, self.treatments["acne-scars-face"], next(self.noes), area="face", at=at)
        finished.assess_on(response, on=at.date(), now=at + timedelta(minutes=8))

    def waited_first(self) -> None:
        """Has to wait some days after waxing, and chose a time after that."""
        at = self.now - timedelta(hours=6)
        visit = self.ask("acne-scars-face", self.now.date() + timedelta(days=6), at=at, finding="waxing", days=15)
        assert visit.response is not None
        finished.assess_on(visit.response, on=at.date(), now=at)

    def still_answering(self) -> None:
        """Had a consultation, and has begun to answer."""
        treatment, at = self.treatments["acne-scars-face"], self.now - timedelta(minutes=20)
        patient = self.talked().patient
        response = self.begun(patient, treatment, at=at)
        answers = self.answers(patient, "nothing", area="face", today=at.date())
        some = dict(itertools.islice(answers.items(), 6))
        responses.save_answers(response, some, now=at + timedelta(minutes=5))

    def corrected(self) -> None:
        """Asked for a time, then remembered something and answered again."""
        at = self.now - timedelta(hours=18)
        visit = self.ask("acne-scars-face", self.now.date() + timedelta(days=7), at=at, days=15)
        again = self.now - timedelta(hours=4)
        self.screened(visit.patient, visit.appointment.treatment, "aspirin", area="face", at=again)

    def withdrawn(self) -> None:
        """Somebody else's answers: a clinician withdrew them, and new ones are needed."""
        at = self.now - timedelta(hours=26)
        visit = self.ask("acne-scars-face", self.now.date() + timedelta(days=8), at=at, days=15)
        assert visit.response is not None
        reviews.mark_in_error(visit.response, by=self.users["clinician"], now=at + timedelta(hours=4))

    # ------------------------------------------------------------ what else a desk finds in the morning

    def loose_ends(self) -> None:
        """People to ring, a day off that hits appointments, and messages that count as sent long ago."""
        for about, language in (("form", ""), ("talk", ""), ("language", "Maltese")):
            CallBack.objects.create(
                name=next(self.names),
                phone=f"+44117496{self.random.randint(200, 999):04d}",
                about=about,
                language=language,
                request_key=uuid.uuid4(),
                created_at=self.now - timedelta(hours=self.random.randint(1, 26)),
            )
        ahead = Appointment.objects.occupying().filter(starts_at__gt=self.now + timedelta(days=3)).with_names().first()
        if ahead:
            start = datetime.combine(ahead.local_date, time(8), tzinfo=ahead.location.zone)
            TimeOff.objects.create(
                practitioner=ahead.practitioner, starts_at=start, ends_at=start + timedelta(hours=11), reason="Training"
            )
        holiday = self.now.date() + timedelta(days=45)
        Closure.objects.create(
            location=self.locations["bath"], first_day=holiday, last_day=holiday, reason="Public holiday"
        )
        Message.objects.filter(state=Message.State.QUEUED, due_at__lte=self.now).update(
            state=Message.State.SENT, sent_at=F("due_at"), created_at=F("due_at")
        )
