"""How easy a text is to read: the Flesch-Kincaid grade, and the age that goes with it."""

import re
from dataclasses import dataclass

WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
SENTENCE_END = re.compile(r"[.!?]+[\"”’)]*(?=\s|$)|\n+")
VOWELS = re.compile(r"[aeiouy]+")


@dataclass(frozen=True)
class Readability:
    """Counts of a text, and the school grade (US) and age in years they give."""

    words: int
    sentences: int
    syllables: int

    @property
    def grade(self) -> float:
        """Flesch-Kincaid grade: 0.39 words a sentence + 11.8 syllables a word - 15.59; 0 for an empty text."""
        if not self.words:
            return 0.0
        return max(0.0, 0.39 * self.words / self.sentences + 11.8 * self.syllables / self.words - 15.59)

    @property
    def age(self) -> int:
        """The reading age in whole years: grade 1 is the year in which children turn six or seven."""
        return round(self.grade + 5)


def syllables(word: str) -> int:
    """Syllables of an English word, by its groups of vowels; never less than one. An estimate, as the formula is."""
    word = re.sub(r"[^a-z]", "", word.lower())
    count = len(VOWELS.findall(word))
    if word.endswith("e") and not word.endswith(("le", "ee")) and count > 1:
        count -= 1
    silent_es = word.endswith("es") and not word.endswith(("ses", "xes", "zes", "ches", "shes", "ces", "ges", "les"))
    if silent_es or (word.endswith("ed") and not word.endswith(("ted", "ded"))):
        count -= count > 1
    return max(count, 1)


def readability(text: str) -> Readability:
    """Counts of a plain text (no markup). A line break ends a sentence.

    The formula is made for running text: of a page give it `Page.prose`, or each heading and each item of two words
    counts as a very easy sentence.
    """
    words = WORD.findall(text)
    sentences = [part for part in SENTENCE_END.split(text) if WORD.search(part)]
    return Readability(len(words), max(len(sentences), 1), sum(syllables(word) for word in words))


def long_sentences(text: str, *, words: int = 20, most: int = 5) -> list[str]:
    """The longest sentences of a plain text that have more than `words` words, longest first: where to begin."""
    sentences = [part.strip() for part in SENTENCE_END.split(text)]
    counted = sorted(((len(WORD.findall(part)), part) for part in sentences), reverse=True)
    return [part for count, part in counted if count > words][:most]
