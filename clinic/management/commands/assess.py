"""`manage.py assess QUESTIONNAIRE --on DATE`: what the rules say about some answers, as JSON. Writes nothing."""

import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseFault

from screening import definition
from screening.assessment import assess
from screening.questionnaires import CHECK_BROKEN, CHECK_NO_RULES, Questionnaire, read_date

MAX_CHARACTERS = 5_000_000


def a_day(text: str) -> date:
    """A day as 2027-02-27. Raises CommandError."""
    given = read_date(text, day_only=True)
    if given is None:
        raise CommandError(f"Not a day as 2027-02-27: {text[:60]!r}")
    return given.first


class Command(BaseCommand):
    help = (
        "Says what the rules say about some answers, for whoever writes rules. "
        "QUESTIONNAIRE is a name in the database (its active version, or name@version), or a definition file."
    )
    # A definition file can be tried while no database runs.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser):
        parser.add_argument("questionnaire", help="name, name@version, or a definition file")
        parser.add_argument("--on", required=True, metavar="DATE", help="the treatment date, as 2027-02-27")
        parser.add_argument(
            "--answered", metavar="DATE", help="when the answers were given (default: the treatment date)"
        )
        parser.add_argument("--birth-date", metavar="DATE", help="the birth date on the account, if there is one")
        parser.add_argument("--answers", metavar="FILE", help="answers by link_id as JSON; - reads them from the input")

    def handle(self, *args, questionnaire, on, answered, birth_date, answers, **options):
        day = a_day(on)
        answered_on = a_day(answered) if answered else None
        known = a_day(birth_date) if birth_date else None
        said = self.answers(answers)
        result = assess(
            self.questionnaire(questionnaire), said, on=day, answered_on=answered_on, known_birth_date=known
        )
        self.stdout.write(json.dumps(result.as_dict()))
        # Standard output stays plain JSON; what was wrong with an answer is said beside it.
        for link_id, fault in result.unreadable:
            self.stderr.write(f"{link_id!r:.200}: {fault}")
        for finding in result.findings:
            if finding.rule in (CHECK_BROKEN, CHECK_NO_RULES) or (
                finding.effect == "contraindicated" and finding.details
            ):
                self.stderr.write("\n".join((f"{finding.rule}:", *finding.details)))

    def questionnaire(self, name: str) -> Questionnaire:
        if "/" in name or name.endswith((".yaml", ".yml")) or Path(name).is_file():
            try:
                return definition.load(name)
            except definition.DefinitionError as error:
                raise CommandError("\n".join(error.errors)) from error
        try:
            return self.row(name).definition()
        except DatabaseFault as error:
            raise CommandError(f"The database cannot be asked for {name!r}: {error}", returncode=2) from error
        except definition.DefinitionError as error:
            raise CommandError("\n".join(error.errors)) from error

    def row(self, name: str):
        from screening.models import Questionnaire

        slug, at, version = name.partition("@")
        versions = Questionnaire.objects.filter(name=slug).order_by("-version")
        if at:
            if not (version.isascii() and version.isdigit() and len(version) < 6):
                raise CommandError(f"A version is a whole number: {name[:60]!r}", returncode=2)
            row = versions.filter(version=int(version)).first()
            if row is None:
                raise CommandError(f"The database has no questionnaire {name!r}.", returncode=2)
            return row
        row = versions.active().first()
        if row is None:
            row = versions.filter(status=Questionnaire.Status.DRAFT).first()
            if row is not None:
                self.stderr.write(f"No version of {slug!r} is active; this is the draft of version {row.version}.")
        if row is None:
            files = definition.DEFINITIONS / f"{slug}.yaml"
            hint = f" Load it with load_questionnaire, or give the file {files}." if files.is_file() else ""
            raise CommandError(f"The database has no questionnaire named {slug[:60]!r}.{hint}", returncode=2)
        return row

    def answers(self, source: str | None) -> dict:
        if source is None:
            return {}
        try:
            if source == "-":
                text = sys.stdin.read(MAX_CHARACTERS + 1)
            else:
                with open(source, encoding="utf-8") as file:
                    text = file.read(MAX_CHARACTERS + 1)
        except (OSError, UnicodeError, ValueError) as error:
            raise CommandError(f"The answers cannot be read: {error}") from error
        if len(text) > MAX_CHARACTERS:
            raise CommandError("The answers are too long.")
        try:
            answers = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"The answers are not JSON: {error}") from error
        if not isinstance(answers, dict):
            raise CommandError("The answers are not a JSON object of link_id and answer.")
        return answers


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """JSON lets a key stand twice and keeps the last; then a yes could hide behind a no."""
    twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} is there twice")
    return dict(pairs)
