"""`manage.py rotate_data_keys`: wraps every data key with the newest key of DATA_KEYS, so that an older one can go.

The second factors of staff are encrypted with the same keys and follow.
"""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clinic import accounts
from screening.models import QuestionnaireResponse
from screening.sealing import SealBroken, rewrap


class Command(BaseCommand):
    help = (
        "Rewraps the data keys of sealed answers with the newest key of DATA_KEYS. Sealed documents stay as they are."
    )

    def handle(self, *args, **options) -> None:
        newest = settings.DATA_KEYS[0][0]
        changed, unreadable = 0, 0
        responses = QuestionnaireResponse.objects.filter(data_key__isnull=False).exclude(data_key__key_name=newest)
        for response in responses.select_related("data_key").order_by("pk").iterator(chunk_size=500):
            try:
                changed += rewrap(response)
            except SealBroken:
                unreadable += 1
        factors = accounts.rewrap_second_factors()
        self.stdout.write(f"{factors} second factors of staff are encrypted with {newest!r}.")
        self.stdout.write(f"{changed} keys are now wrapped by {newest!r}.")
        if unreadable:
            raise CommandError(f"{unreadable} keys could not be opened. Keep the older keys in DATA_KEYS.")
