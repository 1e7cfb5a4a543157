"""Days as people write them."""

import re
from datetime import date

from django.utils.dates import MONTHS, MONTHS_3

ENGLISH_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
# What a calendar here knows. Far outside there are no times, and counting would overflow.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


def in_calendar(day: date) -> bool:
    """Whether anything of the clinic can be on that day."""
    return FIRST_DAY <= day <= LAST_DAY


def month_number(text: str) -> int | None:
    """The month a person means by `8`, `08`, `August`, `aug.` or the name in the page's language; None if none."""
    if text.isdecimal() and len(text) <= 2:
        number = int(text)
        return number if 1 <= number <= 12 else None
    name = text.casefold().rstrip(".")
    if name == "sept":
        return 9
    for number, english in enumerate(ENGLISH_MONTHS, start=1):
        local = {str(MONTHS[number]).casefold(), str(MONTHS_3[number]).casefold().rstrip(".")}
        if name in {english, english[:3]} | local:
            return number
    return None


def day_in(text: str, *, born_by: date | None = None) -> date | None:
    """The day somebody means by 4/5/1990, 4.5.1990, 1990-05-04, 4 May 1990 or 4th of May 1990; None when it is no day.

    With `born_by` it is a birth date: of a year in two figures the last one that had come by then is meant.
    """
    plain = re.sub(r"(?<=\d)(st|nd|rd|th)\b|\bof\b", " ", text.casefold())
    parts = re.sub(r"[,/.-]", " ", plain).split()
    if len(parts) != 3:
        return None
    year, month, day = parts if len(parts[0]) == 4 else reversed(parts)
    number = month_number(month)
    short = born_by is not None and len(year) == 2
    if number is None or not (year.isdecimal() and (short or len(year) == 4) and day.isdecimal()):
        return None
    try:
        if born_by is None or not short:
            return date(int(year), number, int(day))
        found = date(2000 + int(year), number, int(day))
        return found if found <= born_by else date(1900 + int(year), number, int(day))
    except ValueError:
        return None
