"""The words and colours of the screening pages: the voice of LOOK, nothing promised, nothing green."""

import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings

from screening.forms import StepForm
from screening.steps import steps_of
from tests.make import TODAY
from tests.screening.conftest import shipped

ROOT = Path(settings.BASE_DIR)
PAGES = sorted((ROOT / "templates/screening").rglob("*.html")) + sorted(
    (ROOT / "templates/clinic").glob("call_back*.html")
)
CODE = [
    ROOT / "screening/forms.py",
    ROOT / "screening/views.py",
    ROOT / "screening/results.py",
    ROOT / "clinic/callbacks.py",
]
BANNED = (
    "safe", "cleared", "passed", "perfect", "flaw", "imperfection", "suffer", "transform", "painless", "permanent",
    "guaranteed", "only today", "only 2 left",
)  # fmt: skip


def said(path: Path) -> str:
    """The sentences of a template or module that people read."""
    text = path.read_text()
    if path.suffix == ".py":
        return " ".join(re.findall(r'(?:_|gettext_lazy|gettext)\(\s*"((?:[^"\\]|\\.)*)"', text))
    text = re.sub(r"{% comment %}.*?{% endcomment %}", "", text, flags=re.S)
    return " ".join(
        re.findall(r'{% translate "([^"]*)"', text) + re.findall(r"{% blocktranslate.*?%}(.*?){% endblock", text)
    )


@pytest.mark.parametrize("path", PAGES + CODE, ids=lambda path: path.name)
def test_no_banned_word_is_said(path):
    found = [word for word in BANNED if re.search(rf"\b{word}\b", said(path), re.I)]
    assert not found


def test_the_check_for_banned_words_can_see(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('{% translate "You are Cleared" %}')
    assert re.search(r"\bcleared\b", said(page), re.I)
    assert sum(len(said(path)) for path in PAGES) > 4000


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_nothing_on_the_pages_is_green(path):
    text = path.read_text()
    for sign in ("success", "green", "status-done", "panel-done", "notice-done", "✓", "✔"):
        assert sign not in text


def test_the_style_sheet_has_no_green():
    text = (ROOT / "static/css/screening.css").read_text()
    assert "green" not in text and not re.search(r"#[0-9a-f]{3,6}", text, re.I)  # colours come from the tokens


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_form_has_its_token_and_its_error_summary(path):
    text = path.read_text()
    assert text.count('method="post"') == text.count("csrf_token")
    if "|crispy" in text or "form.tree" in text:
        assert "includes/error_summary.html" in text
    assert "<style" not in text and " style=" not in text and "onclick" not in text and "<script>" not in text


def test_new_words_about_privacy_are_a_new_version():
    """People agreed to these words under this number. Change them? Then raise settings.PRIVACY_VERSION, add a line."""
    words = (ROOT / "templates/screening/includes/privacy.html").read_text().partition("{% endcomment %}")[2]
    known = {"1": "2626e23521a66282"}
    assert known[settings.PRIVACY_VERSION] == hashlib.sha256(words.encode()).hexdigest()[:16]


def test_every_follow_up_says_when_it_is_meant():
    for name in ("microneedling", "microneedling-recheck"):
        for step in steps_of(shipped(name)):
            form = StepForm(step=step, answers={}, today=TODAY)

            def check(branch):
                for block in branch["blocks"]:
                    assert re.match(r"If (yes|no|you chose “.+”)|Unless you chose|If you answered", block["when"])
                    for inner in block["questions"]:
                        check(inner)

            for branch in form.tree():
                check(branch)


def test_hints_are_escaped_where_the_template_trusts_them():
    from dataclasses import replace

    step = steps_of(shipped("microneedling"))[2]
    question = replace(step.questions[0], hint="<img src=x onerror=alert(1)>", text="<b>?</b>")
    form = StepForm(step=replace(step, questions=(question,)), answers={}, today=TODAY)
    assert "<img" not in form.fields[question.link_id].help_text


def test_what_is_missing_below_an_answer_names_the_question_above_it():
    """“What is it?” alone says nothing in the list of errors."""
    below = 0
    for step in steps_of(shipped("microneedling")):
        form = StepForm(step=step, answers={}, today=TODAY)
        by_link_id = {question.link_id: question for question in step.questions}
        for question in step.questions:
            if question.is_follow_up:
                below += 1
                required = str(form.fields[question.link_id].error_messages["required"])
                assert question.text in required and by_link_id[question.parent].text in required
    assert below > 40
