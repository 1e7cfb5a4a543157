"""Sending what waits. Each message is claimed in the database before a word of it leaves (STACK, "Messages").

Claim (committed), send, record (committed). Killed in between, a message stays "sending": it may or may not have
arrived, so nothing sends it by itself again; staff see it after ten minutes and decide.
"""

import logging
import smtplib
import time
from datetime import datetime, timedelta
from email.mime.text import MIMEText
from email.utils import formataddr, parseaddr
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.db import transaction
from django.db.models import Count, Max, Min, Q

from clinic.models import Clinic
from outbox.messages import SECRETS, one_line
from outbox.models import Message, is_unclear

log = logging.getLogger(__name__)

# Minutes until the next try after a refusal. After the last one the message counts as "could not be sent" (a day).
BACK_OFF = (1, 5, 15, 60, 180, 360, 720)
# While no mail server answers at all, nothing was handed over: it is no try of a message, and all are looked at again
# within minutes, as long as what they say may still be news.
PAUSE = timedelta(minutes=2)
OUTAGE = timedelta(days=3)
SEEN = "outbox.worker.seen"


class Refused(Exception):
    """Certainly not sent. `lasting`: trying again cannot help (the address does not exist)."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


class NoServer(Refused):
    """No mail server to hand anything to, this message or another."""


class Unknown(Exception):
    """The connection broke while the message was on its way: perhaps it arrived."""


def send_due(*, now: datetime, limit: int = 100) -> int:
    """Sends what is due, oldest first, at most `limit` messages; returns how many it took.

    Stops at the first that finds no mail server: the others would find none either.
    Any number of these may run at once. Must not run inside a transaction: the claim has to be seen by others.
    Writes `sent` with its time; or `queued` with a later `due_at`; or `failed`; or leaves `sending` where nobody knows.
    """
    started = time.monotonic()
    connection = get_connection(fail_silently=False)
    taken = 0
    try:
        while taken < limit:
            moment = now + timedelta(seconds=time.monotonic() - started)  # a slow server must not age the claims
            message = claim(now=moment)
            if message is None:
                break
            try:
                deliver(message, connection)
            except NoServer as outage:
                put_back(message, str(outage), tried=False, now=moment)
                break
            except Refused as refusal:
                put_back(message, str(refusal), lasting=refusal.lasting, now=moment)
            except Unknown as unknown:
                Message.objects.filter(pk=message.pk).update(last_error=one_line(str(unknown))[:200])
                log.warning("message %s: unclear whether it was sent", message.uuid)
            else:
                record_sent(message, now=now + timedelta(seconds=time.monotonic() - started))
            taken += 1
    finally:
        close(connection)
    return taken


@transaction.atomic(durable=True)
def claim(*, now: datetime) -> Message | None:
    """The oldest due message, marked as being sent; None when nothing waits. Committed on return."""
    message = Message.objects.due(now=now).select_for_update(skip_locked=True).first()
    if message is None:
        return None
    message.state = Message.State.SENDING
    message.claimed_at = now
    message.attempts += 1
    message.save(update_fields=["state", "claimed_at", "attempts"])
    return message


def record_sent(message: Message, *, now: datetime) -> None:
    """Says that it is out. The words of a code are not kept, but in development, where one reads them on a page."""
    written: dict = {"state": Message.State.SENT, "sent_at": now, "last_error": ""}
    if message.kind in SECRETS and not settings.DEBUG:
        written |= {"text": "", "html": ""}
    Message.objects.filter(pk=message.pk, state=Message.State.SENDING).update(**written)


def put_back(message: Message, reason: str, *, lasting: bool = False, tried: bool = True, now: datetime) -> None:
    """Queues a message for later, or gives up: a lasting refusal, a day of tries, days without a mail server (then it
    was not `tried`, and that does not count), or a code that is too old."""
    attempts = message.attempts if tried else message.attempts - 1
    if tried:
        wait = timedelta(minutes=BACK_OFF[attempts - 1]) if attempts <= len(BACK_OFF) else None
    else:
        wait = PAUSE if now < message.created_at + OUTAGE else None
    error = one_line(reason)[:200]
    sending = Message.objects.filter(pk=message.pk, state=Message.State.SENDING)
    if message.kind in SECRETS and wait:
        # A patient waits for it at the screen: soon, or not at all.
        wait = timedelta(seconds=20 * max(attempts, 1))
        if now + wait > message.created_at + timedelta(seconds=settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT):
            wait = None
    if lasting or wait is None:
        written: dict = {"state": Message.State.FAILED, "attempts": attempts, "last_error": error}
        if message.kind in SECRETS:
            written |= {"text": "", "html": ""}
        sending.update(**written)
        log.warning("message %s: given up", message.uuid)
    else:
        # Nothing of it has left: taken back from here, it will have told nobody anything.
        sending.update(
            state=Message.State.QUEUED, attempts=attempts, due_at=now + wait, claimed_at=None, last_error=error
        )


def forget_codes(*, now: datetime) -> int:
    """Blanks the words of codes that no longer work, whatever became of them; nobody needs those that did not leave."""
    old = Message.objects.filter(
        kind__in=SECRETS, created_at__lt=now - timedelta(seconds=settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT)
    ).exclude(text="", html="")
    old.filter(state__in=[Message.State.QUEUED, Message.State.SENDING]).update(state=Message.State.DROPPED)
    return old.update(text="", html="")


def email_of(message: Message) -> EmailMultiAlternatives:
    """The e-mail of a message. Its Message-ID never changes, so that a mailbox can see a copy."""
    clinic = Clinic.get()
    sender = formataddr((one_line(clinic.sender_name) if clinic else "", parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))
    mail = EmailMultiAlternatives(
        one_line(message.subject),
        message.text,
        sender,
        [message.to],
        headers={
            "Message-ID": f"<{message.uuid}@{urlsplit(settings.PUBLIC_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    if message.calendar:
        part = MIMEText(message.calendar, "calendar", "utf-8")
        method = [line for line in message.calendar.splitlines() if line.startswith("METHOD:")]
        if method:
            part.set_param("method", method[0].removeprefix("METHOD:").strip())
        part.add_header("Content-Disposition", "attachment", filename="appointment.ics")
        mail.attach(part)
    return mail


def deliver(message: Message, connection) -> None:
    """Hands one message to the mail server.

    Raises:
        Refused: it certainly was not taken. NoServer: nor could it be offered. Unknown: the line broke after the
            message had begun to leave.
    """
    try:
        mail = email_of(message)
        mail.message()
    except Exception as error:  # words that make no e-mail will not make one tomorrow
        raise Refused(f"cannot be written: {type(error).__name__}", lasting=True) from error
    try:
        make_ready(connection)
    except OSError as error:  # smtplib's errors are OSErrors
        raise NoServer(f"no mail server: {type(error).__name__}") from error
    try:
        taken = connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _answer in error.recipients.values()]
        raise Refused(
            f"the address was refused ({codes[0]})", lasting=all(500 <= code < 600 for code in codes)
        ) from error
    except smtplib.SMTPResponseException as error:
        close(connection)
        raise Refused(f"the mail server refused it ({error.smtp_code})") from error
    except Exception as error:
        close(connection)
        raise Unknown(f"the line broke: {type(error).__name__}") from error
    if taken != 1:
        raise Refused("the mail server took nothing")


def make_ready(connection) -> None:
    """Opens the line, or opens it anew where the server has hung up between two messages."""
    if isinstance(connection, EmailBackend) and connection.connection is not None:
        try:
            code, _answer = connection.connection.noop()
        except OSError:
            code = 0
        if code != 250:
            close(connection)
    connection.open()


def close(connection) -> None:
    """Hangs up; a server that is gone already does not matter."""
    try:
        connection.close()
    except OSError:
        log.info("the mail server had hung up")
    if isinstance(connection, EmailBackend):
        connection.connection = None


def beat(*, now: datetime) -> None:
    """Says that a worker is alive."""
    cache.set(SEEN, now.isoformat(), timeout=None)


def health(*, now: datetime) -> dict:
    """What the dashboard shows: `worker_seen`, `last_sent`, `oldest_unsent` (times or None), `unclear`, `failed`
    (counts of a week), and `late`: something waits for more than 15 minutes, or a worker was seen and that is longer
    ago. That none was ever seen is no alarm by itself: a new clinic has nothing to send. Two queries."""
    seen = cache.get(SEEN)
    worker_seen = datetime.fromisoformat(seen) if seen else None
    figures = Message.objects.aggregate(
        last_sent=Max("sent_at"),
        oldest_unsent=Min("due_at", filter=Q(state=Message.State.QUEUED, due_at__lte=now)),
        first_tried=Min("created_at", filter=Q(state=Message.State.QUEUED) & ~Q(last_error="")),
        unclear=Count("pk", filter=is_unclear(now)),
        failed=Count(
            "pk",
            filter=Q(state=Message.State.FAILED, created_at__gt=now - timedelta(days=7), resends__isnull=True),
        ),
    )
    waits_since = min(filter(None, [figures["oldest_unsent"], figures["first_tried"]]), default=None)
    limit = now - timedelta(minutes=15)
    return {
        "worker_seen": worker_seen,
        "last_sent": figures["last_sent"],
        "oldest_unsent": waits_since,
        "unclear": figures["unclear"],
        "failed": figures["failed"],
        "late": any(moment is not None and moment < limit for moment in (waits_since, worker_seen)),
    }
