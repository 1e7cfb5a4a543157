"""`manage.py assess`: the rule author's test bench."""

import io
import json
from dataclasses import replace

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from screening import definition
from screening.models import Assessment, Questionnaire
from tests.screening.answers import HARMLESS, shipped
from tests.screening.conftest import publish

FILE = str(definition.DEFINITIONS / "microneedling.yaml")
EXAMPLE = HARMLESS | {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2026-08-31"}
SAID = {
    "effect": "defer",
    "earliest": "2027-02-28",
    "incomplete": [],
    "findings": [
        {
            "rule": "isotretinoin-under-6-months",
            "effect": "defer",
            "questions": ["isotretinoin"],
            "until": "2027-02-28",
            "override": "O2",
            "needs": [],
        }
    ],
}


@pytest.fixture
def run(capsys, tmp_path):
    def run(questionnaire, answers=None, **options):
        if answers is not None:
            path = tmp_path / "answers.json"
            path.write_text(answers if isinstance(answers, str) else json.dumps(answers))
            options["answers"] = str(path)
        call_command("assess", questionnaire, **options)
        return json.loads(capsys.readouterr().out)

    return run


def test_a_definition_file_needs_no_database(run):
    assert run(FILE, EXAMPLE, on="2027-02-27") == SAID
    assert run(FILE, EXAMPLE, on="2027-02-28")["effect"] == "advise"


@pytest.mark.django_db
def test_a_name_takes_the_active_version_and_writes_nothing(run):
    publish("microneedling")
    newer = replace(shipped(), version=2, rules=())
    with pytest.raises(definition.DefinitionError):
        definition.save_draft(newer)

    assert run("microneedling", EXAMPLE, on="2027-02-27") == SAID
    assert run("microneedling@1", EXAMPLE, on="2027-02-27") == SAID
    assert not Assessment.objects.exists()


@pytest.mark.django_db
def test_a_draft_is_tried_when_nothing_is_active_and_that_is_said(run, capsys):
    definition.save_draft(shipped())

    call_command("assess", "microneedling", on="2027-02-27")
    out, err = capsys.readouterr()
    assert json.loads(out)["effect"] == "incomplete"
    assert "this is the draft of version 1" in err


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["microneedling", "nonsense", "", "microneedling@7", "microneedling@x", "a@b@c", "@"])
def test_a_name_the_database_does_not_have_is_said_with_exit_code_2(name):
    with pytest.raises(CommandError) as raised:
        call_command("assess", name, on="2027-02-27")
    assert raised.value.returncode == 2


@pytest.mark.django_db
def test_a_missing_questionnaire_points_to_the_shipped_file():
    with pytest.raises(CommandError, match="load_questionnaire"):
        call_command("assess", "microneedling", on="2027-02-27")
    assert not Questionnaire.objects.exists()


def test_answers_come_from_the_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeff" + json.dumps(EXAMPLE)))
    call_command("assess", FILE, on="2027-02-27", answers="-")

    assert json.loads(capsys.readouterr().out) == SAID


def test_the_day_of_answering_and_the_known_birth_date_are_options(run):
    vague = EXAMPLE | {"isotretinoin-last-dose": "unknown"}
    assert run(FILE, vague, on="2027-02-27", answered="2026-11-22")["earliest"] == "2027-05-22"
    assert run(FILE, vague, on="2027-02-27")["earliest"] == "2027-08-27"

    differs = run(FILE, HARMLESS, on="2027-02-27", birth_date="2012-01-01")
    assert {finding["rule"] for finding in differs["findings"]} == {"birth-date-differs", "age-under-18"}


def test_no_answers_are_all_missing(run):
    said = run(FILE, on="2027-02-27")
    assert said["effect"] == "incomplete"
    assert set(said["incomplete"]) == set(HARMLESS)


@pytest.mark.parametrize(
    "answers",
    ["", "no", "[]", '"yes"', "5", "null", "{", '{"keloid": "yes", "keloid": "no"}', "[" * 100_000, "\x00", "{'a': 1}"],
)
def test_answers_that_are_no_json_object_are_an_error(run, answers):
    with pytest.raises(CommandError, match=r"JSON|answers"):
        run(FILE, answers, on="2027-02-27")


def test_answers_that_cannot_be_read_are_an_error(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'{"keloid": "\xe9"}')
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "latin.json"):
        with pytest.raises(CommandError, match="cannot be read"):
            call_command("assess", FILE, on="2027-02-27", answers=str(path))


@pytest.mark.parametrize("option", ["on", "answered", "birth_date"])
@pytest.mark.parametrize("day", ["2027-02-30", "tomorrow", "2027-02", "27/02/2027", "2027-2-7", "\x00"])
def test_what_is_not_a_day_is_an_error(option, day):
    with pytest.raises(CommandError, match="Not a day"):
        call_command("assess", FILE, **({"on": "2027-02-27"} | {option: day}))


def test_a_file_with_errors_names_them(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\nversion: 1\n")
    with pytest.raises(CommandError, match=r"bad.yaml: line 1: the definition: title is missing"):
        call_command("assess", str(path), on="2027-02-27")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("assess", str(tmp_path / "none.yaml"), on="2027-02-27")


def test_odd_answers_are_reported_beside_the_json(run, capsys, tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(HARMLESS | {"keloid": "maybe", "keloids": "no", "\ud800": "no"}))
    call_command("assess", FILE, on="2027-02-27", answers=str(path))

    out, err = capsys.readouterr()
    assert json.loads(out)["incomplete"] == ["keloid", "keloids", "\ud800"]
    assert "'keloid': unknown code" in err
    assert "'keloids': no such question" in err
