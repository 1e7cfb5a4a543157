"""How old somebody is on a day. Pure: local days in, whole years out."""

from datetime import date

# Nobody younger is treated, asked about their health or booked online (DESIGN section 5).
ADULT = 18


def age_on(birth: date, day: date) -> int:
    """Whole years on `day`; the birthday counts. Born on 29 February: a year older on 1 March in common years."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def is_adult(birth: date, day: date) -> bool:
    """Whether somebody born on `birth` has come of age by the local day `day`."""
    return age_on(birth, day) >= ADULT


def birthday(birth: date, years: int) -> date:
    """The first day on which somebody born on `birth` is `years` old."""
    try:
        return birth.replace(year=birth.year + years)
    except ValueError:
        return date.max if birth.year + years > date.max.year else date(birth.year + years, 3, 1)
