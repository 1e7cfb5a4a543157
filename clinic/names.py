"""Whether two written names may be one person's: case, accents, hyphens and the order of words do not matter."""

import re
import unicodedata

# Letters whose bar or tail is no accent that Unicode can take off.
PLAIN = str.maketrans({"ħ": "h", "ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


def plain(name: str) -> str:
    """The name in small letters without accents."""
    apart = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(PLAIN)


def words_of(name: str) -> list[str]:
    """The words of a name in small letters without accents; hyphens and other marks part them."""
    return re.sub(r"[^\w\s]", " ", plain(name)).split()


def as_reference(text: str) -> str:
    """A reference as it is kept, from how somebody reads it out in groups: `xjww gpg8`, `W8HD-NGVD`."""
    return re.sub(r"[\W_]", "", text).upper()


def readings(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a name, with hyphens and other marks left out, and with them read as spaces."""
    return frozenset(re.sub(r"[^\w\s]", "", plain(name)).split()), frozenset(words_of(name))


def same_name(one: str, other: str) -> bool:
    """Whether these are the same words, in either reading."""
    return any(mine and mine == theirs for mine, theirs in zip(readings(one), readings(other), strict=True))


def may_be_one_person(one: str, other: str) -> bool:
    """Whether two names that came with the same address and birth date may be one person's, and not those of twins.

    Words may be left out or added (a second name, a title) as long as two stand in both; no word may be another one.
    Which of them is a first name nobody can tell: `Li Wei` and `Li Na`, `Borg, Anna` and `Borg, Eva` are twins.
    """
    if same_name(one, other) or one == other:
        return True
    return any(
        len(mine & theirs) > 1 and (mine <= theirs or theirs <= mine)
        for mine, theirs in zip(readings(one), readings(other), strict=True)
    )


def share_a_word(one: str, other: str) -> bool:
    """Whether a word stands in both, in any reading."""
    return not frozenset.union(*readings(one)).isdisjoint(frozenset.union(*readings(other)))
