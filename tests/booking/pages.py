"""What the tests of booking's pages share: a browser at the pages, and what they say."""

import re
import uuid

from django.urls import reverse

from clinic.models import Patient
from outbox.models import Message
from tests import make

BANNED = re.compile(
    r"\b(safe|cleared|passed|perfect|flaws?|imperfections?|suffer\w*|transform\w*|painless|permanent|guaranteed)\b"
    r"|only today|only 2 left",
    re.IGNORECASE,
)


def put(client, **values) -> None:
    """Writes into the session of this browser."""
    session = client.session
    session.update(values)
    session.save()


def words(response) -> str:
    """What a page says, without its markup; never with a word that no patient may read."""
    assert response.status_code in (200, 404), response.status_code
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    text = re.sub(r"\s+", " ", text)
    assert not BANNED.search(text), BANNED.search(text)
    return text


def patient_who_signs_in(client, **fields) -> Patient:
    """A patient with a login, signed in on this browser."""
    patient = make.make_patient(**fields)
    user = make.make_user(email=patient.email, name=patient.name)
    Patient.objects.filter(pk=patient.pk).update(user=user)
    patient.refresh_from_db()
    client.force_login(user)
    return patient


def times_of(treatment) -> str:
    return reverse("booking:slots", args=[treatment.slug])


def keys_on(response) -> list[str]:
    """The times that can be chosen on a page."""
    return re.findall(r'type="radio"[^>]*value="([^"]+)"', response.content.decode())


def choose(client, treatment, key: str | None = None, **more):
    """Chooses a time, the first on the page unless told otherwise."""
    key = key or keys_on(client.get(times_of(treatment)))[0]
    return client.post(times_of(treatment), {"start": key, "request_key": str(uuid.uuid4()), **more})


def seen(visit) -> dict[str, str]:
    """What a page of an appointment that was opened just now sends along with its button."""
    visit.refresh_from_db()
    return {"seen": visit.fingerprint}


def held_uuid(response) -> str:
    """The uuid of the hold that a choice led to."""
    assert response.status_code == 302, words(response)
    return re.fullmatch(r"/book/hold/([0-9a-f-]{36})/", response.url).group(1)


DETAILS = {
    "name": "Rosa Example",
    "phone": "020 7946 0018",
    "email": "rosa@example.org",
    "birth_date_day": "4",
    "birth_date_month": "May",
    "birth_date_year": "1990",
    "action": "details",
}


def code_in(message: Message) -> str:
    return re.search(r"code: (\S+)", message.text).group(1)
