"""Words that no page of ours says: they promise too much, or they can hurt.

Whoever writes and whoever signs is told of them, and may know better; the shipped articles are tested for them.
"""

import re
from unicodedata import category

_NEVER = re.compile(
    r"\b(?:safe|cleared|passed|perfect|flaw|imperfection|suffer|transform|pain[-\u2010\u2011]?less|permanent|guarantee)\w*"
    r"|\bonly (?:today|\d+ left)\b",
    re.IGNORECASE,
)


def never_said(*texts: str) -> list[str]:
    """Those of the words that stand in the texts, in their order, each once and in small letters."""
    return list(dict.fromkeys(word.lower() for text in texts for word in _NEVER.findall(_as_read(text))))


def _as_read(text: str) -> str:
    """The text without what a reader does not see: soft hyphens and the like, more than one space, line breaks."""
    return " ".join("".join(letter for letter in text if category(letter) != "Cf").split())
