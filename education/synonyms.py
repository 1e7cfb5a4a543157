"""Words people type into the search, and the words that the clinic's pages use for the same thing.

Brands and everyday words only: a brand stands here when it is an example of what the questions name, so that a page
found under it is about what was meant. What the pages themselves say needs no line: the search knows its forms. Common
slips of spelling stand here too. Below them: words that are answered on a page that is no article.
"""

import re

SYNONYMS = {
    # medicines and treatments
    r"(ro)?acc?utane": "isotretinoin",
    r"warfarin|aspirin|clopidogrel|apixaban|heparin|anticoagulants?": "blood thinners",
    r"botox": "relax muscles",
    r"tretinoin|retin[ -]?a|adapalene|differin": "retinol",
    r"ibuprofen|painkillers?": "medicine",
    r"derma ?rollers?|micro[ -]?needle rollers?": "roller",
    r"micro[ -]needling": "microneedling",
    r"an(a)?esthetics?|an(a)?esthesia|lidocaine|lignocaine": "numbing",
    # skin and scars
    r"(black|brown) skin": "darker skin",
    r"(hyper)?pigmentation": "dark marks",
    r"stretch-?marks?": "stretch marks",
    r"pimples?|zits?": "spots",
    r"c[ -]sections?|ca?esare?ans?": "surgery",
    r"hypertrophic": "raised",
    r"e[ckx]+[sz]?ema": "eczema",
    r"herpes": "cold sores",
    r"allergic": "allergy",
    r"itch(ing|es)?": "itchy",
    r"tummy": "belly",
    r"covid([ -]?19)?": "illness",
    # everyday life
    r"down ?time|recovery( time)?": '"quiet days" or "back to work"',
    r"make ?up|cosmetics": "make-up",
    r"swim(ming)?": "pool",
    r"sun ?block|sun ?cream|spf": "sunscreen",
    r"gym|work ?outs?": "exercise",
    # what can go wrong, and when not
    r"side[ -]effects?|complications?|dangers?|dangerous|(un)?safe|safety": "risks",
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
    "my": r"cancel(l?ed|l?ing|lation)?|reschedul(e|ed|ing)|(move|change) (my|an|the) (appointment|booking|time|visit)",
    "contact": (
        r"contact|address|(tele)?phone|e-?mail|reach you|where (are you|is the clinic)|directions|emergenc(y|ies)"
        r"|(opening|out of) (hours|times)|you (open|closed?)|open (now|tomorrow|on|at|\w+days?)|refunds?"
    ),
    "complaints": r"complain(ts?|ing)?",
    "privacy": r"privacy|gdpr|my data|confidential(ity)?",
}


def in_our_words(typed: str) -> str:
    """What was typed, with the words that our pages do not use put into ours. A phrase in quotation marks falls apart
    into its words then, for ours may be two phrases; with one that is left out (`-"recovery time"`), all stays."""
    if '-"' in typed:
        return typed
    plain = typed.replace('"', " ")
    said = plain
    for theirs, ours in _KNOWN:
        said = theirs.sub(ours, said)
    return said if said != plain else typed


def answered_elsewhere(typed: str) -> list[str]:
    """The names of the pages, none of them an article, that answer what was typed."""
    return [name for name, words in _ELSEWHERE.items() if re.search(rf"\b({words})\b", typed, re.IGNORECASE)]
