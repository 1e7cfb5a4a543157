"""Words people type into the search, and the words that the clinic's pages use for the same thing.

Brands and everyday words only: a brand stands here when the questions name it as an example of ours, so that a page
found under it is about what was meant. What the pages themselves say needs no line: the search knows its forms.
"""

import re

SYNONYMS = {
    # medicines and treatments
    r"(ro)?accutane": "isotretinoin",
    r"warfarin|aspirin|clopidogrel|apixaban|heparin|anticoagulants?": "blood thinners",
    r"botox": "relax muscles",
    r"derma ?rollers?|micro ?needle rollers?": "roller",
    # everyday life
    r"make ?up|cosmetics": "make-up",
    r"swim(ming)?": "pool",
    r"sun ?block|sun ?cream|spf": "sunscreen",
    r"gym|work ?outs?": "exercise",
    # what can go wrong, and when not
    r"side[ -]effects?|complications?|dangers?|dangerous": "risks",
    r"pregnant": "pregnancy",
    # visits
    r"appointments?": "visit",
}

# Whole words; one that is left out ("scars -makeup") stays as it was typed.
_KNOWN = [(re.compile(rf"(?<![\w-])(?:{theirs})(?![\w-])", re.IGNORECASE), ours) for theirs, ours in SYNONYMS.items()]
_ABOUT_A_VISIT = re.compile(r"\b(prices?|costs?|fees?|pay(ment)?|how much|appointments?|book(ing)?)\b", re.IGNORECASE)


def in_our_words(typed: str) -> str:
    """What was typed, with the words that our pages do not use put into ours."""
    for theirs, ours in _KNOWN:
        typed = theirs.sub(ours, typed)
    return typed


def is_about_a_visit(typed: str) -> bool:
    """Whether "Prices and times", which is no page to read and so is never found, answers what was typed."""
    return _ABOUT_A_VISIT.search(typed) is not None
