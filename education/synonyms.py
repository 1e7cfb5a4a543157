"""Words people type into the search, and the words that the clinic's pages use for the same thing.

Brands and everyday words only: a brand stands here when the questions name it as an example of ours, so that a page
found under it is about what was meant. What the pages themselves say needs no line: the search knows its forms. Common
slips of spelling stand here too. Below them: words that are answered on a page that is no article.
"""

import re

SYNONYMS = {
    # medicines and treatments
    r"(ro)?acc?utane": "isotretinoin",
    r"warfarin|aspirin|clopidogrel|apixaban|heparin|anticoagulants?": "blood thinners",
    r"botox": "relax muscles",
    r"derma ?rollers?|micro[ -]?needle rollers?": "roller",
    r"micro[ -]needling": "microneedling",
    r"an(a)?esthetics?|an(a)?esthesia": "numbing",
    # skin and scars
    r"(black|brown) skin": "darker skin",
    r"(hyper)?pigmentation": "dark marks",
    r"stretchmarks?": "stretch marks",
    r"c[ -]sections?|ca?esare?ans?": "surgery",
    r"hypertrophic": "raised",
    r"e[ckx]+[sz]?ema": "eczema",
    r"herpes": "cold sores",
    # everyday life
    r"down ?time|recovery( time)?": '"quiet days" or "back to work"',
    r"make ?up|cosmetics": "make-up",
    r"swim(ming)?": "pool",
    r"sun ?block|sun ?cream|spf": "sunscreen",
    r"gym|work ?outs?": "exercise",
    # what can go wrong, and when not
    r"side[ -]effects?|complications?|dangers?|dangerous|safe|safety": "risks",
    r"pregnant|pregnency|pregnacy": "pregnancy",
    r"breast[ -]feed(ing)?|nursing": "breastfeeding",
    # visits
    r"appointments?": "visit",
}

# Whole words; one that is left out ("scars -makeup") stays as it was typed.
_KNOWN = [(re.compile(rf"(?<![\w-])(?:{theirs})(?![\w-])", re.IGNORECASE), ours) for theirs, ours in SYNONYMS.items()]

# By the name of a page that is no article, and so is never found: the words that it answers.
_ELSEWHERE = {
    "booking:treatments": r"prices?|costs?|fees?|pay(ment)?|how much|appointments?|book(ing)?",
    "contact": (
        r"contact|address|(tele)?phone|e-?mail|reach you|where are you|directions|emergenc(y|ies)"
        r"|(opening|out of) (hours|times)"
    ),
    "complaints": r"complain(ts?|ing)?",
    "privacy": r"privacy|gdpr|my data|confidential(ity)?",
}


def in_our_words(typed: str) -> str:
    """What was typed, with the words that our pages do not use put into ours."""
    for theirs, ours in _KNOWN:
        typed = theirs.sub(ours, typed)
    return typed


def answered_elsewhere(typed: str) -> list[str]:
    """The names of the pages, none of them an article, that answer what was typed."""
    return [name for name, words in _ELSEWHERE.items() if re.search(rf"\b({words})\b", typed, re.IGNORECASE)]
