"""What every template keeps to: nothing inline, errors summed up, words that we may say to a patient."""

import re
from pathlib import Path

import pytest
from django.conf import settings

TEMPLATES = Path(settings.BASE_DIR) / "templates"
ALL = sorted(path for path in TEMPLATES.rglob("*.html"))
PATIENTS = [path for path in ALL if "admin" not in str(path.relative_to(TEMPLATES))]

NEVER = re.compile(
    r"\b(safe|cleared|passed|perfect|flaws?|imperfections?|suffer\w*|transform\w*|painless|permanent|guaranteed|"
    r"only today|only \d+ left)\b",
    re.IGNORECASE,
)


def name(path: Path) -> str:
    return str(path.relative_to(TEMPLATES))


def words(text: str) -> str:
    """What a person may read of a template: without comments, tags of the template language, and markup."""
    text = re.sub(r"\{% comment .*?\{% endcomment %\}|\{#.*?#\}", " ", text, flags=re.DOTALL)
    spoken = re.findall(r"\{%-?\s*translate\s+(?:\"([^\"]*)\"|'([^']*)')", text)
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", text, flags=re.DOTALL)
    return " ".join([text, *("".join(pair) for pair in spoken)])


@pytest.mark.parametrize("path", [path for path in ALL if "outbox" not in name(path)], ids=name)
def test_nothing_is_inline(path):
    text = path.read_text()
    assert not re.search(r"<[^>]*\sstyle\s*=", text), "an inline style"
    assert not re.search(r"<style\b", text), "a style element"
    assert not re.search(r"<[^>]*\son[a-z]+\s*=\s*[\"']", text), "an inline handler"
    for tag in re.findall(r"<script\b[^>]*>", text):
        assert "src=" in tag or 'type="application/' in tag, tag


@pytest.mark.parametrize("path", ALL, ids=name)
def test_nothing_is_fetched_from_another_host(path):
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=[\"'](?:https?:)?//", path.read_text())


@pytest.mark.parametrize("path", [path for path in PATIENTS if "bootstrap5" not in name(path)], ids=name)
def test_a_form_has_its_error_summary(path):
    text = path.read_text()
    if re.search(r"\|crispy\b|\{% crispy ", text):
        assert "includes/error_summary.html" in text


@pytest.mark.parametrize("path", PATIENTS, ids=name)
def test_words_we_never_say_to_a_patient(path):
    found = NEVER.search(words(path.read_text()))
    assert not found, f"“{found[0]}”" if found else ""


@pytest.mark.parametrize("path", [path for path in ALL if "admin/booking/appointment/" in name(path)], ids=name)
def test_the_desk_reads_what_is_wrong_in_our_words(path):
    """A browser's own bubble names no field twice, cannot be read again, and never becomes the title of the page."""
    for form in re.findall(r"<form\b[^>]*\bdesk-form\b[^>]*>", path.read_text()):
        assert " novalidate" in form, form
