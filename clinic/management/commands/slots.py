"""``manage.py slots TREATMENT --from DATE --days N [--json]``: the free times, as the public page would offer them."""

import json
from datetime import date

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from booking import availability
from clinic.models import Location, Practitioner, Room, Treatment, today_at


class Command(BaseCommand):
    help = "List the free times of a treatment (its short name), in local time with the zone."

    def add_arguments(self, parser):
        parser.add_argument("treatment", help="the treatment's short name in addresses")
        parser.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="default: today")
        parser.add_argument("--days", type=int, default=7, metavar="N")
        parser.add_argument("--practitioner", help="short name of one practitioner")
        parser.add_argument("--location", help="short name of one location")
        parser.add_argument("--json", action="store_true", help="one JSON list")

    def handle(self, *args, **options):
        if not 1 <= options["days"] <= 366:
            raise CommandError("--days is from 1 to 366.")
        now = timezone.now()
        treatment = self.named(Treatment, options["treatment"])
        found = availability.free_slots(
            treatment,
            first=options["first"] or today_at(now),
            days=options["days"],
            now=now,
            practitioner=options["practitioner"] and self.named(Practitioner, options["practitioner"]),
            location=options["location"] and self.named(Location, options["location"]),
        )
        people = Practitioner.objects.in_bulk({slot.practitioner_id for slot in found})
        rooms = Room.objects.select_related("location").in_bulk({slot.room_id for slot in found})
        rows = [
            {
                "starts_at": slot.starts_at.astimezone(rooms[slot.room_id].location.zone).isoformat(timespec="minutes"),
                "time_zone": rooms[slot.room_id].location.time_zone,
                "location": rooms[slot.room_id].location.slug,
                "practitioner": people[slot.practitioner_id].slug,
                "room": rooms[slot.room_id].name,
            }
            for slot in found
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=1))
            return
        for row in rows:
            self.stdout.write("  ".join(row.values()))
        self.stdout.write(f"{len(rows)} free times")

    def named(self, model, slug):
        """The one of that short name, or a CommandError that lists what there is."""
        found = model.objects.filter(slug=slug).first()
        if found is None:
            known = ", ".join(model.objects.order_by("slug").values_list("slug", flat=True)) or "nothing yet"
            raise CommandError(f"There is no {slug!r}. There is: {known}")
        return found
