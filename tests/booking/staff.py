"""Members of staff at their pages."""

from datetime import datetime

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import make


class Clock:
    """What time it is for the pages; `clock.now` can be moved."""

    def __init__(self, monkeypatch, now: datetime = make.NOW) -> None:
        self.now = now
        monkeypatch.setattr("django.utils.timezone.now", lambda: self.now)


class Staff:
    """A member of staff with a browser."""

    def __init__(self, user) -> None:
        self.user = user
        self.browser = Client()
        self.signed_in_at: datetime | None = None

    @property
    def client(self) -> Client:
        """Signed in: again when the clock was moved, for staff pages lock after ten minutes."""
        if self.signed_in_at is None or abs(timezone.now() - self.signed_in_at).total_seconds() > 300:
            self.browser.force_login(self.user)
            self.signed_in_at = timezone.now()
        return self.browser

    def get(self, name: str, *args, query: str = ""):
        """The page of an address by its short name, such as `desk`."""
        return self.client.get(self.address(name, *args) + query)

    def post(self, name: str, *args, query: str = "", follow: bool = False, **data):
        """Presses a button there."""
        return self.client.post(self.address(name, *args) + query, data, follow=follow)

    def read(self, name: str, *args, query: str = "") -> str:
        """The words of a page that is there."""
        answer = self.get(name, *args, query=query)
        assert answer.status_code == 200, answer.status_code
        return answer.content.decode()

    @staticmethod
    def address(name: str, *args) -> str:
        """Of a page of appointments."""
        return reverse(f"admin:booking_appointment_{name}", args=args)


def words_of(answer) -> str:
    """What a page says."""
    return answer.content.decode()
