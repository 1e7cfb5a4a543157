"""``manage.py localdb start|stop|status``: the embedded PostgreSQL, by hand."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clinic import localpg


class Command(BaseCommand):
    help = "Start, stop or look at the embedded PostgreSQL. It is used when DATABASE_URL is not set."
    # It must work while no database does.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser):
        parser.add_argument("action", choices=["start", "stop", "status"])

    def handle(self, *args, action, **options):
        try:
            if action == "start":
                localpg.ensure_running(settings.BASE_DIR)
            self.stdout.write(
                localpg.stop(settings.BASE_DIR) if action == "stop" else localpg.status(settings.BASE_DIR)
            )
        except localpg.LocalDatabaseError as error:
            raise CommandError(str(error)) from error
