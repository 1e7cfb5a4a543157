"""`manage.py load_questionnaire FILE`: a definition becomes a draft in the database. People publish it."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseFault

from clinic.models import Treatment
from screening import definition


class Command(BaseCommand):
    help = (
        "Loads a questionnaire definition as a draft. Errors name the file and the line, and then nothing is written. "
        "Loading an identical one again changes nothing. A published version never changes: the file needs a new one."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", help="a definition, for example screening/definitions/microneedling.yaml")
        parser.add_argument(
            "--treatments",
            nargs="+",
            metavar="SLUG",
            help="the treatments it screens for (none given: as it was, or all)",
        )

    def handle(self, *args, file, treatments, verbosity, **options):
        try:
            questionnaire = definition.load(file)
            found = None
            if treatments:
                found = list(Treatment.objects.filter(slug__in=treatments))
                unknown = sorted(set(treatments) - {treatment.slug for treatment in found})
                if unknown:
                    raise CommandError(f"No such treatment: {', '.join(unknown)}")
            _, outcome = definition.save_draft(
                questionnaire, source_text=Path(file).read_text(encoding="utf-8"), treatments=found
            )
        except definition.DefinitionError as error:
            raise CommandError("\n".join(error.errors)) from error
        except DatabaseFault as error:  # somebody else loads it at this moment, or the database is away
            raise CommandError(f"It could not be saved, and nothing was changed: {error}") from error
        if verbosity:
            said = {
                "made": "is now a draft. Somebody has to propose it, and somebody else to publish it.",
                "replaced": "was a draft and is now as in the file.",
                "unchanged": "is already there. Nothing was changed.",
            }[outcome]
            self.stdout.write(f"{questionnaire.name} {questionnaire.version} {said}")
