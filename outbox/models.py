"""What we send: one row a message, written in the same transaction as what it tells of."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinic.models import Patient

# A worker that lives is done with a message long before (the mail server is given 20 seconds).
UNCLEAR_AFTER = timedelta(minutes=10)


def is_unclear(now: datetime) -> Q:
    """A condition on messages: claimed more than ten minutes ago and never finished, and not sent again since."""
    return Q(state=Message.State.SENDING, claimed_at__lt=now - UNCLEAR_AFTER, resends__isnull=True)


class MessageQuerySet(models.QuerySet):
    """Messages by what has to happen to them."""

    def due(self, *, now) -> "MessageQuerySet":
        """Queued and due, oldest first."""
        return self.filter(state=Message.State.QUEUED, due_at__lte=now).order_by("due_at", "id")

    def unclear(self, *, now) -> "MessageQuerySet":
        """Claimed more than ten minutes ago and never finished: perhaps sent, perhaps not. Staff decide.

        One that was sent again is settled.
        """
        return self.filter(is_unclear(now))

    def told(self) -> "MessageQuerySet":
        """What tells a patient of an event: no copies, nothing to staff, nothing taken back before it left."""
        return self.filter(patient__isnull=False, resend_of=None).exclude(
            state=Message.State.DROPPED, claimed_at__isnull=True
        )

    def sent_to(self, patient: Patient) -> "MessageQuerySet":
        """What went out to a patient, newest first. Codes and what staff are told are written to nobody's record."""
        return self.filter(patient=patient, state=Message.State.SENT).order_by("-sent_at", "-id")

    def with_newer(self) -> "MessageQuerySet":
        """Adds `has_newer`: its patient was told, or will be, of something later about the same subject."""
        later = Message.objects.told().filter(
            subject_uuid=OuterRef("subject_uuid"), patient=OuterRef("patient"), pk__gt=OuterRef("pk")
        )
        return self.annotate(has_newer=Exists(later))

    def needs_somebody(self, *, now) -> "MessageQuerySet":
        """Waiting, unclear, or given up and not sent again."""
        return self.filter(
            Q(state=Message.State.QUEUED)
            | Q(state=Message.State.SENDING, resends__isnull=True)
            | Q(state=Message.State.FAILED, resends__isnull=True)
        )


class Message(models.Model):
    """One e-mail to one person. Its words are neutral: nothing clinical, no treatment, in subject or body."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("could not be sent")
        DROPPED = "dropped", _("no longer needed")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(
        max_length=200, unique=True, help_text=_("The event it tells of, such as booked:<appointment>:<sequence>.")
    )
    kind = models.CharField(_("kind"), max_length=40)
    to = models.EmailField(_("to"))
    patient = models.ForeignKey("clinic.Patient", models.PROTECT, null=True, blank=True, related_name="messages")
    subject_uuid = models.UUIDField(
        null=True,
        blank=True,
        db_index=True,
        help_text=_("What it is about (an appointment), so that it can be dropped."),
    )
    subject = models.CharField(_("subject"), max_length=150)
    text = models.TextField(_("text"))
    html = models.TextField(blank=True)
    calendar = models.TextField(blank=True, help_text=_("An iCalendar file that goes with it."))
    due_at = models.DateTimeField(_("due"), default=timezone.now)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    resend_of = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="resends")
    resent_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    has_newer: bool  # set by the QuerySet's `with_newer`, and only then

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="queued"), name="outbox_message_due"),
            models.Index(fields=["-created_at"], name="outbox_message_created"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sending", "sent", "failed", "dropped"]),
                name="outbox_message_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | (~Q(state="sent") & Q(sent_at__isnull=True)),
                name="outbox_message_sent_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(resend_of__isnull=True, resent_by__isnull=True)
                | Q(resend_of__isnull=False, resent_by__isnull=False),
                name="outbox_message_resend_names_who",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.get_state_display()})"

    def is_unclear(self, *, now) -> bool:
        """As `unclear` of the list; reads `resends` once prefetched."""
        too_old = self.claimed_at is not None and self.claimed_at < now - UNCLEAR_AFTER
        return self.state == self.State.SENDING and too_old and not self.resends.all()
