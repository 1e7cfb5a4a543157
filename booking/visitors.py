"""Who asks for a page of booking, and what their browser keeps: a held time, a time they wanted, what they typed.

Whose page it is, is decided in two places only: `own_hold` and `visible`.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponseBase
from django.middleware.csrf import get_token

from booking import holding
from booking.availability import Slot
from booking.models import Appointment, HoldDetails
from booking.standing import with_hit
from booking.times import Wish
from clinic import accounts
from clinic.models import Patient, Treatment
from screening import clearance

HOLD = accounts.HOLD
# In the session: what was typed for a held time, so that a lost time loses nothing; gone once it is confirmed, or after
# an hour. Never a birth date that the answers know: on a shared device it is the key to them (see `keep_details`).
DETAILS = "hold_details"
DETAILS_KEPT_FOR = timedelta(hours=1)
# In the session: the time somebody chose before answering the questions.
WANTED = "wanted_time"
# In the session: appointments a link in a message has opened on this browser, with the end of that.
GRANTS = "appointment_grants"
GRANTED_FOR = timedelta(hours=2)


def patient_of(request: HttpRequest) -> Patient | None:
    """The patient who is signed in, if somebody is and it is a patient."""
    return getattr(request.user, "patient", None) if request.user.is_authenticated else None


def not_yours(request: HttpRequest) -> HttpResponseBase:
    """A wrong and a forbidden uuid look the same: 404 when signed in, the sign-in page when not."""
    if request.user.is_authenticated:
        raise Http404
    return redirect_to_login(request.get_full_path())


def own_hold(request: HttpRequest, uuid: UUID) -> Appointment | None:
    """The held time, for the browser that holds it and for its signed-in patient; None for everybody else."""
    found = Appointment.objects.with_names().select_related("response").filter(uuid=uuid).first()
    if found is None:
        return None
    patient = patient_of(request)
    if patient is not None and found.patient_id == patient.pk:
        return found
    in_session = request.session.get(HOLD) == str(uuid)
    # Once a patient is behind it, the session alone opens nothing any more.
    return found if in_session and found.patient_id is None else None


def is_granted(request: HttpRequest, uuid: UUID, now: datetime) -> bool:
    """Whether a link in a message has opened this appointment on this browser, a while ago at most."""
    grants = request.session.get(GRANTS)
    grant = grants.get(str(uuid)) if isinstance(grants, dict) else None
    return isinstance(grant, dict) and grant.get("until", 0) >= now.timestamp()


def open_for_a_while(request: HttpRequest, uuid: UUID, purpose: str, now: datetime) -> None:
    """Lets this browser see this appointment, as a link in a message says; what has run out goes."""
    grants = request.session.get(GRANTS)
    kept = {
        key: grant
        for key, grant in (grants.items() if isinstance(grants, dict) else ())
        if isinstance(grant, dict) and grant.get("until", 0) >= now.timestamp()
    }
    kept[str(uuid)] = {"purpose": purpose, "until": (now + GRANTED_FOR).timestamp()}
    request.session[GRANTS] = kept


def visible(request: HttpRequest, uuid: UUID, now: datetime) -> tuple[Appointment, bool] | None:
    """(the appointment, whether everything may be shown) for whoever may see it at all: its signed-in patient, or a
    browser on which a link has opened it: when and where, move and cancel, nothing more."""
    patient = patient_of(request)
    opened = is_granted(request, uuid, now)
    if patient is None and not opened:
        return None
    visit = with_hit(Appointment.objects.with_names()).filter(uuid=uuid).exclude(patient=None).first()
    if visit is None:
        return None
    if patient is not None and visit.patient_id == patient.pk:
        return visit, True
    return (visit, False) if opened else None


def kept_by(request: HttpRequest) -> Appointment | None:
    """The time this browser holds at the moment, if it does."""
    try:
        uuid = UUID(str(request.session.get(HOLD)))
    except ValueError:
        return None
    found = own_hold(request, uuid)
    if found is None or found.status != Appointment.Status.PROPOSED:
        del request.session[HOLD]  # signing in would lead to a time that is gone
        return None
    return found


def has_run_out(held: Appointment, now: datetime) -> bool:
    """Whether we keep it no longer; it may still be confirmed while nobody has taken it."""
    return held.hold_expires_at is not None and held.hold_expires_at < now


def details_of(held: Appointment) -> HoldDetails | None:
    """What was typed for this hold so far."""
    try:
        return held.details
    except ObjectDoesNotExist:
        return None


def known_birth_date(request: HttpRequest, held: Appointment, now: datetime) -> date | None:
    """The birth date that need not be asked again: of the signed-in patient, or of the answers of this visit.

    After 15 minutes without work on the answers it is asked: on a shared device somebody else may be going on with
    them, and `confirm` refuses answers that name another birth date.
    """
    patient, details = patient_of(request), details_of(held)
    if patient is not None and not (details and holding.is_another_person(patient, details)):
        return patient.birth_date
    if not held.treatment.needs_screening:
        return None
    answered = clearance.response_of_session(request, held.treatment, now=now)
    return answered.birth_date if answered and not answered.away else None


def keep_details(request: HttpRequest, typed: dict, now: datetime, *, checked: bool = True) -> None:
    """Keeps what was typed in the session for an hour; of the birth date only what was typed on this form.

    Not `checked`: as it stood in the boxes, only to be shown in them again.
    """
    request.session[DETAILS] = {
        "name": typed["name"][:150],
        "phone": str(typed["phone"])[:60],
        "email": typed["email"][:254],
        "checked": checked,
        "birth_date": typed["birth_date"].isoformat() if typed.get("birth_date") else "",
        "until": (now + DETAILS_KEPT_FOR).timestamp(),
    }


def kept_details(request: HttpRequest, now: datetime) -> dict:
    """Name, phone, e-mail and, if it may be shown, birth date as they were typed; nothing after an hour.

    Without the birth date as long as this browser has health answers: it is what opens them after a while.
    """
    kept = request.session.get(DETAILS)
    names = ("name", "phone", "email")
    if not isinstance(kept, dict) or not all(isinstance(kept.get(name), str) for name in names):
        return {}
    if not isinstance(kept.get("until"), float) or kept["until"] < now.timestamp():
        del request.session[DETAILS]
        return {}
    typed: dict = {name: kept[name] for name in names}
    if "screening" not in request.session and kept.get("birth_date"):
        typed["birth_date"] = date.fromisoformat(kept["birth_date"])
    return typed


def details_again(request: HttpRequest, held: Appointment, now: datetime) -> None:
    """Takes over what was typed for a time that was lost, where the address has been proven since."""
    typed, user = kept_details(request, now), request.user
    if not typed or not user.is_authenticated or patient_of(request) is not None:
        return
    born = known_birth_date(request, held, now) or typed.get("birth_date")
    if not request.session[DETAILS].get("checked"):  # kept as it was typed, mistakes included: they look at it again
        return
    if born and held.status == Appointment.Status.PROPOSED and typed["email"].lower() == user.email.lower():
        holding.take_details(held, **{**typed, "birth_date": born}, now=now)


def own_key(request: HttpRequest, sent: UUID) -> UUID:
    """The key of a form, bound to this browser: with a key that somebody else sent, it is another key."""
    get_token(request)
    return uuid5(sent, request.META["CSRF_COOKIE"])


def wanted_before(request: HttpRequest, treatment: Treatment) -> dict | None:
    """What somebody chose before the questions for this treatment."""
    chosen = request.session.get(WANTED)
    return chosen if isinstance(chosen, dict) and chosen.get("treatment") == treatment.slug else None


def wanted_slot(chosen: dict) -> Slot | None:
    """The time in it."""
    try:
        return Slot.from_key(str(chosen.get("start")))
    except (ValueError, OverflowError):
        return None


def near_wanted(request: HttpRequest, wish: Wish) -> Wish:
    """The wish with the day, and the practitioner, of the time chosen before the questions; as it is for whoever has
    looked at another week or for somebody else since."""
    chosen = wanted_before(request, wish.treatment)
    if chosen is None or request.method == "POST" or wish.first or wish.practitioner or wish.location:
        return wish
    slot = wanted_slot(chosen)
    there = next((place for place in wish.locations if slot and place.pk == slot.location_id), None)
    if slot is None or there is None:
        return wish
    with_whom = next((who for who in wish.practitioners if who.slug == chosen.get("practitioner")), None)
    return replace(wish, first=there.day_of(slot.starts_at), practitioner=with_whom)


def wanted(request: HttpRequest, wish: Wish, week) -> dict | None:
    """The time somebody chose before the questions: `time` where it is still free, else None in its place."""
    chosen = wanted_before(request, wish.treatment)
    if chosen is None:
        return None
    return {"time": week.find(str(chosen.get("start")))}
