"""The reading age of a text."""

import pytest

from education.readability import long_sentences, readability, syllables


@pytest.mark.parametrize(
    ("word", "count"),
    [("skin", 1), ("needle", 2), ("collagen", 3), ("made", 1), ("healed", 1), ("treated", 2), ("the", 1), ("area", 2)],
)
def test_counts_syllables(word, count):
    assert syllables(word) == count


def test_follows_the_formula():
    result = readability("The cat sat on the mat. The dog ran.")
    assert (result.words, result.sentences, result.syllables) == (9, 2, 9)
    assert result.grade == max(0, 0.39 * 9 / 2 + 11.8 * 1 - 15.59)


def test_hard_words_need_an_older_reader():
    easy = readability("Your skin heals. It makes new collagen. The scar gets softer over time.")
    hard = readability(
        "Percutaneous collagen induction therapy facilitates dermal remodelling through controlled epidermal "
        "microperforation and subsequent proliferation of fibroblasts."
    )
    assert easy.age <= 9
    assert hard.age >= 18


def test_a_line_break_ends_a_sentence():
    assert readability("A heading\nOne item\nAnother item").sentences == 3


def test_a_sentence_may_end_within_quotes_or_brackets():
    assert readability("They say “it heals.” It does (slowly.) Wait.").sentences == 3


def test_an_empty_text_has_no_age_to_speak_of():
    assert readability("").grade == 0


def test_names_the_longest_sentences():
    long = "One " + "word " * 24 + "more."
    assert long_sentences(f"Short. {long} Also short.") == [long.rstrip(".")]
