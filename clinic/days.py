"""Days as people write them."""

from datetime import date

from django.utils.dates import MONTHS, MONTHS_3

ENGLISH_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip


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


def day_in(text: str) -> date | None:
    """The day somebody means by 4/5/1990, 4.5.1990, 1990-05-04 or 4 May 1990; None when it is no day."""
    parts = text.replace(",", " ").replace("/", " ").replace(".", " ").replace("-", " ").split()
    if len(parts) != 3:
        return None
    year, month, day = parts if len(parts[0]) == 4 else reversed(parts)
    number = month_number(month)
    if number is None or not (year.isdecimal() and len(year) == 4 and day.isdecimal()):
        return None
    try:
        return date(int(year), number, int(day))
    except ValueError:
        return None
