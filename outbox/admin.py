"""Messages in the staff site: what waits, what is unclear, and one button to send again."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html, linebreaks
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from clinic.accounts import signed_in
from clinic.admin import KeptAdmin, NeedsFirst, SearchesInPrivate
from outbox import worker
from outbox.messages import NAMES, SECRETS, CannotResend, resend, settle, why_not_again
from outbox.models import Message


class NotSent(NeedsFirst):
    """What somebody may have to look at."""

    needs = _("not sent, or unclear")

    def needing(self, queryset):
        """Waiting, unclear, or given up."""
        return queryset.needs_somebody(now=timezone.now())


@admin.register(Message)
class MessageAdmin(SearchesInPrivate, KeptAdmin):
    """What was sent and what was not. Nobody writes or edits a message here."""

    list_display = ["about", "to", "state_in_words", "due_at", "attempts", "sent_at"]
    list_filter = [NotSent]
    search_fields = ["to"]
    ordering = ["-due_at", "-pk"]
    list_select_related = ["patient"]
    change_form_template = "admin/outbox/message/change_form.html"
    change_list_template = "admin/outbox/message/change_list.html"

    def get_fields(self, request, obj=None):
        """Everything but the words of what opens an account."""
        fields = [
            "kind",
            "to",
            "patient",
            "state_in_words",
            "created_at",
            "due_at",
            "attempts",
            "sent_at",
            "last_error",
        ]
        if obj is None or obj.kind in SECRETS:
            return [*fields, "resent"]
        return [*fields, "resent", "subject", "words"]

    def get_readonly_fields(self, request, obj=None):
        """All of them."""
        return self.get_fields(request, obj)

    def get_queryset(self, request):
        """With who sent again, and whether it was."""
        return super().get_queryset(request).select_related("patient", "resent_by").prefetch_related("resends")

    def has_add_permission(self, request) -> bool:
        """Messages tell of events; nobody writes them by hand."""
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        """Not by a form: see the two verbs."""
        return False

    def changelist_view(self, request, extra_context=None):
        """With how the worker does."""
        health = worker.health(now=timezone.now())
        return super().changelist_view(request, {"health": health, **(extra_context or {})})

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """With whether the verbs are this person's, and why it is not sent again."""
        verbs = {"may_send": request.user.has_perm("outbox.change_message")}
        message = self.get_object(request, object_id)
        if message is not None:
            message = Message.objects.with_newer().get(pk=message.pk)
            verbs["why_not"] = why_not_again(message, now=timezone.now())
        return super().change_view(request, object_id, form_url, {**verbs, **(extra_context or {})})

    def get_urls(self) -> list:
        """Adds the two verbs."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/send-again/", view(require_POST(self.send_again)), name="outbox_message_send_again"),
            path("<int:pk>/settle/", view(require_POST(self.settle)), name="outbox_message_settle"),
            *super().get_urls(),
        ]

    def found(self, request, pk: int) -> Message:
        """The message, for somebody who may do something about it."""
        if not request.user.has_perm("outbox.change_message"):
            raise PermissionDenied
        return get_object_or_404(Message, pk=pk)

    def send_again(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Sends it once more, in the name of whoever presses."""
        message = self.found(request, pk)
        try:
            copy = resend(message, by=signed_in(request), now=timezone.now())
        except CannotResend as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:outbox_message_change", pk)
        self.log_change(request, message, gettext("Sent again."))
        messages.success(request, gettext("It goes out again, to %(address)s.") % {"address": copy.to})
        return redirect("admin:outbox_message_changelist")

    def settle(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Takes one that is unclear, or could not be sent, off the list: it did arrive, or nobody needs it."""
        message = self.found(request, pk)
        if settle(message, now=timezone.now()):
            self.log_change(request, message, gettext("Left as it is."))
            messages.success(request, _("It is off the list."))
        return redirect("admin:outbox_message_changelist")

    @admin.display(description=_("about"), ordering="kind")
    def about(self, message) -> str:
        """The kind, in words."""
        return str(NAMES.get(message.kind, message.kind))

    @admin.display(description=_("state"), ordering="state")
    def state_in_words(self, message):
        """The state, and what it asks of staff."""
        if message.is_unclear(now=timezone.now()):
            return format_html('<span class="status status-wait">{}</span>', _("unclear: send again?"))
        if message.state == Message.State.FAILED:
            return format_html('<span class="status status-stop">{}</span>', message.get_state_display())
        return message.get_state_display()

    @admin.display(description=_("sent again"))
    def resent(self, message) -> str:
        """By whom this copy was sent, or that there is a copy."""
        if message.resent_by:
            return gettext("This is a copy, sent by %(name)s.") % {"name": message.resent_by}
        return gettext("Yes") if message.resends.all() else gettext("No")

    @admin.display(description=_("words"))
    def words(self, message):
        """As the patient reads them."""
        return format_html('<div class="prose">{}</div>', linebreaks(message.text, autoescape=True))
