"""From file to rows and back: drafts only, all or nothing, and a corrupted row blocks."""

from dataclasses import replace

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from screening import definition
from screening.assessment import assess
from screening.definition import DefinitionError
from screening.models import Choice, Question, Questionnaire, Rule, Section
from tests.make import make_treatment, make_user
from tests.screening.answers import HARMLESS, TODAY, shipped
from tests.screening.conftest import publish

FILES = {name: str(definition.DEFINITIONS / f"{name}.yaml") for name in ("microneedling", "microneedling-recheck")}

SMALL = """\
name: small
version: 1
title: Small
sections:
  - code: only
    title: Only
    questions:
      - link_id: keloid
        text: Keloid?
        kind: choice
        choices: {"yes": "Yes", "no": "No"}
        no_finding: ["no"]
        name: keloid
        rules:
          - {id: keloid-yes, when: ["yes"], effect: review, override: O1, reason: So., advice: Wait.}
"""


def rows():
    return [model.objects.count() for model in (Questionnaire, Section, Question, Choice, Rule)]


@pytest.mark.django_db
@pytest.mark.parametrize("name", FILES)
def test_rows_come_back_as_they_were_written_in_four_queries(name, django_assert_num_queries):
    row, outcome = definition.save_draft(shipped(name))

    assert outcome == "made"
    row = Questionnaire.objects.get(pk=row.pk)
    with django_assert_num_queries(4):
        assert row.definition() == shipped(name)
    assert (row.status, row.version, row.purpose) == ("draft", 1, shipped(name).purpose)


@pytest.mark.django_db
def test_loading_the_same_file_again_changes_nothing(capsys):
    call_command("load_questionnaire", FILES["microneedling"])
    before = list(Rule.objects.values_list("pk", "code"))
    call_command("load_questionnaire", FILES["microneedling"])

    assert list(Rule.objects.values_list("pk", "code")) == before
    said = capsys.readouterr().out.splitlines()
    assert "is now a draft" in said[0]
    assert "Nothing was changed" in said[1]
    assert Questionnaire.objects.get().source_text.startswith("# The default screening")


@pytest.mark.django_db
def test_a_changed_file_replaces_the_draft_and_forgets_who_proposed_it(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    call_command("load_questionnaire", str(path))
    Questionnaire.objects.update(proposed_by=make_user(role="Clinician"))
    path.write_text(SMALL.replace("Keloid?", "A keloid?"))
    call_command("load_questionnaire", str(path))

    row = Questionnaire.objects.get()
    assert [question.text for question in row.questions.all()] == ["A keloid?"]
    assert row.proposed_by is None


@pytest.mark.django_db
def test_a_file_with_errors_writes_nothing_and_names_the_line(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    call_command("load_questionnaire", str(path))
    before = rows()
    path.write_text(SMALL.replace('when: ["yes"]', "when: {answer: keloids, is: [yes]}"))

    with pytest.raises(CommandError, match="small.yaml: line 15: rule keloid-yes: unknown question keloids"):
        call_command("load_questionnaire", str(path))
    assert rows() == before
    assert Rule.objects.get().condition == {"answer": "keloid", "is": ["yes"]}


@pytest.mark.django_db
def test_an_error_while_writing_leaves_the_old_draft_whole(tmp_path, monkeypatch):
    definition.save_draft(definition.parse(SMALL))
    before = rows()

    def fails(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(Rule.objects, "bulk_create", fails)
    with pytest.raises(RuntimeError):
        definition.save_draft(definition.parse(SMALL.replace("Keloid?", "A keloid?")))
    assert rows() == before
    assert Question.objects.get().text == "Keloid?"


@pytest.mark.django_db
def test_a_published_version_never_changes_and_says_so():
    treatment = make_treatment()
    row = publish("microneedling-recheck", treatment)

    assert definition.save_draft(shipped("microneedling-recheck"))[1] == "unchanged"
    changed = replace(shipped("microneedling-recheck"), title="Changed")
    with pytest.raises(DefinitionError, match="never changes: give a new version"):
        definition.save_draft(changed)
    with pytest.raises(DefinitionError, match="what it screens for never changes"):
        definition.save_draft(shipped("microneedling-recheck"), treatments=[])
    row.refresh_from_db()
    assert row.title == "Before your session"
    assert list(row.treatments.all()) == [treatment]


@pytest.mark.django_db
def test_a_new_version_is_a_draft_beside_the_active_one():
    publish("microneedling-recheck")
    newer = replace(shipped("microneedling-recheck"), version=2)

    row, outcome = definition.save_draft(newer)

    assert (outcome, row.status) == ("made", "draft")
    assert Questionnaire.objects.active().get().version == 1


@pytest.mark.django_db
def test_the_treatments_it_screens_for_are_named_by_their_short_names():
    one, two = make_treatment(), make_treatment()
    call_command("load_questionnaire", FILES["microneedling"], treatments=[one.slug, two.slug], verbosity=0)
    assert set(Questionnaire.objects.get().treatments.all()) == {one, two}

    call_command("load_questionnaire", FILES["microneedling"], verbosity=0)
    assert set(Questionnaire.objects.get().treatments.all()) == {one, two}

    with pytest.raises(CommandError, match="No such treatment: nowhere"):
        call_command("load_questionnaire", FILES["microneedling"], treatments=["nowhere"], verbosity=0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row.rules.filter(code="keloid-yes").update(condition={"unless": 1}),
        lambda row: row.rules.filter(code="keloid-yes").update(condition=[]),
        lambda row: row.rules.filter(code="keloid-yes").update(effect="fine"),
        lambda row: row.rules.filter(code="keloid-yes").update(needs={"a": 1}),
        lambda row: row.rules.filter(code="sun-tan-under-2-weeks").update(wait={"from": "keloid", "weeks": 2}),
        lambda row: row.rules.filter(code="keloid-yes").delete(),
        lambda row: row.rules.all().delete(),
        lambda row: Choice.objects.filter(question__link_id="keloid", code="yes").update(code="yess"),
        lambda row: row.questions.filter(link_id="keloid").update(kind="riddle"),
        lambda row: row.questions.filter(link_id="keloid-where").update(parent_codes=["never"]),
        lambda row: row.questions.filter(link_id="keloid").update(link_id="keloids"),
    ],
)
def test_a_corrupted_row_blocks(spoil):
    row, _ = definition.save_draft(shipped())
    spoil(row)

    result = assess(Questionnaire.objects.get(pk=row.pk).definition(), HARMLESS, on=TODAY)

    assert result.effect == "contraindicated"
    assert "O0" in {finding.override for finding in result.findings}


@pytest.mark.django_db
@pytest.mark.parametrize("options", [[], {"more": 1}, "x"])
def test_options_nobody_wrote_are_refused(options):
    row, _ = definition.save_draft(shipped())
    Rule.objects.filter(code="keloid-yes").update(options=options)

    with pytest.raises(DefinitionError):
        Questionnaire.objects.get(pk=row.pk).definition()
