"""The worker beside the site: sends what waits, and does what is due by the clock."""

import logging
import signal
import threading
import time

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections, connection
from django.utils import timezone

from booking.sweep import sweep
from clinic import accounts
from clinic.models import Clinic
from outbox import worker
from screening import responses

log = logging.getLogger(__name__)

# What only time brings about, once a minute. Each takes `now`.
CLOCKS = (
    sweep,
    responses.forget_expired,
    worker.forget_codes,
    accounts.forget_unproven,
    accounts.forget_sessions,
)


class Command(BaseCommand):
    help = "Sends the messages that are due, once, or with --loop until it is told to stop (SIGTERM)."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--loop", action="store_true", help="stay, and look again every few seconds")

    def handle(self, *args, loop: bool, **options) -> None:
        if not loop:
            self.tidy()
            sent = 0
            while taken := worker.send_due(now=timezone.now()):
                sent += taken
            self.stdout.write(f"{sent} messages taken")
            return
        self.stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_args: self.stop.set())
        self.last_tidy = self.last_beat = float("-inf")
        while not self.stop.is_set():
            pause = 5.0
            try:
                pause = self.turn()
            except Exception:
                # The database may be away for a minute. Whatever it is, the worker is still there afterwards.
                log.exception("this turn failed")
                connection.close()
            self.stop.wait(pause)

    def turn(self) -> float:
        """One look at the clock and at what waits; returns the seconds to pause."""
        close_old_connections()
        started = time.monotonic()
        if started - self.last_beat >= 30:
            worker.beat(now=timezone.now())
            self.last_beat = started
        if started - self.last_tidy >= 60:
            self.last_tidy = started
            self.tidy()
        # A few at a time, so that a request to stop is heard between them.
        while not self.stop.is_set() and worker.send_due(now=timezone.now(), limit=5):
            if time.monotonic() - started >= 30:
                break
        clinic = Clinic.get()
        return 2.0 if settings.DEBUG and clinic is not None and clinic.is_demo else 5.0

    def tidy(self) -> None:
        """What is due by the clock, each on its own: one that fails does not keep the others from happening."""
        for verb in CLOCKS:
            try:
                verb(now=timezone.now())
            except Exception:
                log.exception("%s.%s failed", verb.__module__, verb.__name__)
                connection.close()
