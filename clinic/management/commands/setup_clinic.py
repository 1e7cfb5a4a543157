"""`manage.py setup_clinic`: what a new clinic starts with, as drafts."""

from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from clinic.management.alone import alone
from clinic.models import Area, Clinic, Treatment
from education.content import load_default_articles
from screening.models import Questionnaire

DEFINITIONS = Path(__file__).resolve().parents[3] / "screening" / "definitions"

# kind, slug, name, summary, areas, minutes, cleaning, sessions from, to
TREATMENTS = [
    (
        "consultation",
        "consultation",
        "Consultation",
        "A talk with a practitioner. We look at your skin, answer your questions and tell you what could help. "
        "There is no treatment on the day.",
        [],
        (30, 5),
        (1, 1),
    ),
    (
        "treatment",
        "acne-scars-face",
        "Microneedling: acne scars, face",
        "Tiny clean needles help the skin of your face make new collagen. Dented acne scars often get softer. "
        "They do not go away.",
        ["face"],
        (60, 15),
        (3, 6),
    ),
    (
        "treatment",
        "acne-scars-back",
        "Microneedling: acne scars, back",
        "The same treatment for acne scars on your back or shoulders. A clinician always looks closely first, "
        "as raised scars are more common there.",
        ["upper-back", "lower-back", "shoulder"],
        (75, 15),
        (3, 6),
    ),
    (
        "treatment",
        "surgical-scar",
        "Microneedling: surgical scar",
        "For a flat scar from an operation that healed more than six months ago.",
        ["belly", "chest", "arm", "thigh-hip-or-buttock", "lower-back", "face"],
        (45, 15),
        (3, 4),
    ),
    (
        "treatment",
        "stretch-marks",
        "Microneedling: stretch marks",
        "For stretch marks that have stopped changing. They can get less visible. Some people see little change.",
        ["belly", "thigh-hip-or-buttock", "arm", "lower-back"],
        (60, 15),
        (3, 6),
    ),
    (
        "review-visit",
        "review-visit",
        "Review visit",
        "We look at how your skin has healed and talk about what comes next.",
        [],
        (20, 5),
        (1, 1),
    ),
]


class Command(BaseCommand):
    help = (
        "Gives a new clinic its treatments (not yet offered), the questionnaires and the articles, all as drafts. "
        "Run again it changes nothing that is there."
    )

    @transaction.atomic
    def handle(self, *args, **options) -> None:
        with alone("setup_clinic", self.stderr):
            _clinic, made = Clinic.objects.get_or_create(pk=1, defaults={"name": _("The clinic")})
            treatments = self.treatments()
            for name in ("microneedling", "microneedling-recheck"):
                self.load(DEFINITIONS / f"{name}.yaml")
            articles = load_default_articles()
        if made or treatments or articles:
            self.stdout.write(
                f"The clinic is set up: {treatments} treatments, the questionnaires and {len(articles)} articles,"
                " as drafts."
            )

    def load(self, path: Path) -> None:
        """A shipped questionnaire as a draft. A published version of that number stays as it is, with a warning."""
        try:
            call_command("load_questionnaire", path, stdout=self.stdout, verbosity=0)
        except CommandError as error:
            if not Questionnaire.objects.exclude(status=Questionnaire.Status.DRAFT).filter(name=path.stem).exists():
                raise
            self.stderr.write(f"{path.name} was not loaded: {error}")

    def treatments(self) -> int:
        """Makes the treatments where there is none yet. Returns how many.

        A clinic that has treatments has made them its own: renamed some, or taken some away.
        """
        if Treatment.objects.exists():
            return 0
        areas = {area.code: area for area in Area.objects.all()}
        for order, (kind, slug, name, summary, codes, (minutes, cleaning), (fewest, most)) in enumerate(TREATMENTS):
            treatment = Treatment.objects.create(
                kind=kind,
                slug=slug,
                name=name,
                summary=summary,
                duration_minutes=minutes,
                buffer_minutes=cleaning,
                sessions_min=fewest,
                sessions_max=most,
                order=order,
                is_active=False,
            )
            treatment.areas.set([areas[code] for code in codes])
        return len(TREATMENTS)
