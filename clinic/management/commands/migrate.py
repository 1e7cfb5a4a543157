"""Django's migrate, one process at a time: of two that start together the second finds everything done."""

from django.core.management.commands import migrate

from clinic.management.alone import alone


class Command(migrate.Command):
    """Django's own has no lock, and the second of two ends in the middle of the first."""

    def handle(self, *args, **options) -> None:
        with alone("migrate", self.stderr, database=options["database"]):
            super().handle(*args, **options)
