"""Words that no page of ours says: they promise too much, or they can hurt.

Whoever writes and whoever signs is told of them, and may know better; the shipped articles are tested for them.
"""

import re

_NEVER = re.compile(
    r"\b(?:safe|cleared|passed|perfect|flaw|imperfection|suffer|transform|painless|permanent|guarantee)\w*"
    r"|\bonly (?:today|\d+ left)\b",
    re.IGNORECASE,
)


def never_said(*texts: str) -> list[str]:
    """Those of the words that stand in the texts, in their order, each once and in small letters."""
    return list(dict.fromkeys(word.lower() for text in texts for word in _NEVER.findall(text)))
