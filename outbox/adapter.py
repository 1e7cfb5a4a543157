"""The mails of the sign-in go through the outbox like every other."""

from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from clinic.accounts import AccountAdapter
from outbox import messages


class OutboxAccountAdapter(AccountAdapter):
    """Queues codes and password links; whatever else allauth would write (to unknown addresses, say) is not sent."""

    def send_mail(self, template_prefix: str, email: str, context: dict) -> None:
        """Queues one mail. A newer code takes the place of one that still waits."""
        if template_prefix == "account/email/login_code":
            self.queue("code", email, {"code": context["code"]})
        elif template_prefix == "account/email/password_reset_key":
            # From PUBLIC_URL, not from the Host header that the request came with.
            link = settings.PUBLIC_URL + urlsplit(context["password_reset_url"]).path
            self.queue("password_link", email, {"link": link})

    def queue(self, kind: str, email: str, context: dict) -> None:
        """Takes back earlier mails of this kind to this address, and queues a new one."""
        messages.drop_secrets(kind, to=email)
        try:
            messages.queue(kind, key=f"{kind}:{uuid4()}", to=email, context=context, now=timezone.now())
        except ValidationError:
            return  # no address at all: the page says the same as for one that we do not know
