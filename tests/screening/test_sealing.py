"""Sealed documents open only for their own response, purpose and key."""

import json
import os
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from clinic.models import User
from screening.models import DataKey, Questionnaire, QuestionnaireResponse
from screening.sealing import SealBroken, _data_key, make_key, rewrap, seal, unseal

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ANSWERS = {"isotretinoin": "yes", "other-health-what": "epilepsy – since 2019"}


@pytest.fixture
def questionnaire():
    author = User.objects.create_user("author@example.org", name="Author")
    author.groups.add(Group.objects.get(name="Clinician"))
    lead = User.objects.create_user("lead@example.org", name="Lead")
    lead.groups.add(Group.objects.get(name="Lead clinician"))
    questionnaire = Questionnaire.objects.create(name="sealing", version=1, title="Sealing")
    Questionnaire.objects.filter(pk=questionnaire.pk).update(
        status="active", proposed_by=author, published_by=lead, published_at=NOW
    )
    return questionnaire


def a_response(questionnaire):
    response = QuestionnaireResponse.objects.create(
        questionnaire=questionnaire, document=b"", started_at=NOW, seen_at=NOW, agreed_at=NOW, privacy_version="1"
    )
    make_key(response)
    return response


@pytest.fixture
def response(questionnaire):
    return a_response(questionnaire)


def fresh(response):
    return QuestionnaireResponse.objects.get(pk=response.pk)


def env_key(name):
    return name, os.urandom(32)


def test_what_was_sealed_opens_again(response):
    blob = seal(response, "answers", ANSWERS)
    QuestionnaireResponse.objects.filter(pk=response.pk).update(document=blob)
    stored = fresh(response)
    assert unseal(stored, "answers", stored.document) == ANSWERS


@pytest.mark.parametrize("data", [None, [], {}, "", 0, {"a": [1, 2.5, None, True, "é\x00\ud800"]}])
def test_every_json_value_comes_back_as_it_was(response, data):
    assert unseal(response, "answers", seal(response, "answers", data)) == data


def test_the_sealed_bytes_hold_nothing_readable(response):
    blob = seal(response, "answers", ANSWERS)
    for word in (b"isotretinoin", b"yes", b"epilepsy", json.dumps(ANSWERS).encode()):
        assert word not in blob


def test_sealing_twice_gives_different_bytes_of_the_same_length(response):
    one, two = seal(response, "answers", {"keloid": "no"}), seal(response, "answers", {"keloid": "relative"})
    assert len(one) == len(two)
    assert seal(response, "answers", {"keloid": "no"}) != one


def test_any_changed_byte_breaks_the_seal(response):
    blob = seal(response, "answers", {"a": 1})
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            unseal(response, "answers", bytes(changed))


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" + b"0" * 12, b"{}", b"\x02" + b"0" * 60, b"\x01" + b"0" * 60])
def test_what_was_never_sealed_does_not_open(response, blob):
    with pytest.raises(SealBroken):
        unseal(response, "answers", blob)


def test_a_shortened_document_does_not_open(response):
    blob = seal(response, "answers", ANSWERS)
    with pytest.raises(SealBroken):
        unseal(response, "answers", blob[:-1])


def test_a_document_does_not_open_in_another_response_even_with_its_key(questionnaire, response):
    other = a_response(questionnaire)
    blob = seal(response, "answers", ANSWERS)
    with pytest.raises(SealBroken):
        unseal(other, "answers", blob)
    row = DataKey.objects.get(response=response)
    DataKey.objects.filter(response=other).update(wrapped=row.wrapped, key_name=row.key_name)
    with pytest.raises(SealBroken):
        unseal(fresh(other), "answers", blob)


def test_a_document_does_not_open_for_another_purpose(response):
    blob = seal(response, "findings:2027-02-27", ANSWERS)
    with pytest.raises(SealBroken):
        unseal(response, "findings:2027-02-28", blob)
    assert unseal(response, "findings:2027-02-27", blob) == ANSWERS


def test_a_deleted_key_erases_what_was_sealed(response):
    blob = seal(response, "answers", ANSWERS)
    DataKey.objects.filter(response=response).delete()
    with pytest.raises(SealBroken):
        unseal(fresh(response), "answers", blob)
    with pytest.raises(SealBroken):
        seal(fresh(response), "answers", ANSWERS)


def test_a_response_never_gets_a_second_key(response):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_key(response)


def test_nothing_opens_without_the_key_of_the_environment(response, settings):
    blob = seal(response, "answers", ANSWERS)
    settings.DATA_KEYS = [env_key("other")]
    with pytest.raises(SealBroken):
        unseal(fresh(response), "answers", blob)
    settings.DATA_KEYS = [("test", os.urandom(32))]  # the right name, another key
    with pytest.raises(SealBroken):
        unseal(fresh(response), "answers", blob)


def test_the_reason_for_a_broken_seal_tells_nothing_of_the_document(response):
    blob = seal(response, "answers", ANSWERS)
    with pytest.raises(SealBroken) as broken:
        unseal(response, "findings", blob)
    assert "epilepsy" not in str(broken.value) and "isotretinoin" not in str(broken.value)


def test_the_data_key_is_not_stored_bare(response, settings):
    with connection.cursor() as cursor:
        cursor.execute("SELECT wrapped, key_name FROM screening_datakey WHERE response_id = %s", [response.pk])
        wrapped, name = cursor.fetchone()
    assert name == settings.DATA_KEYS[0][0]
    assert len(bytes(wrapped)) == 1 + 12 + 32 + 16
    assert _data_key(response) not in bytes(wrapped)


def test_rotation_rewraps_the_key_and_leaves_the_document(response, settings):
    blob = seal(response, "answers", ANSWERS)
    newest = env_key("2027")
    old = settings.DATA_KEYS[0]
    settings.DATA_KEYS = [newest, old]
    assert unseal(fresh(response), "answers", blob) == ANSWERS  # the older key still opens
    assert rewrap(response) is True
    assert rewrap(response) is False
    assert DataKey.objects.get(response=response).key_name == "2027"
    settings.DATA_KEYS = [newest]
    assert unseal(fresh(response), "answers", blob) == ANSWERS
    settings.DATA_KEYS = [old]
    with pytest.raises(SealBroken):
        unseal(fresh(response), "answers", blob)


def test_the_command_rewraps_every_key_and_says_how_many(questionnaire, settings, capsys):
    old = settings.DATA_KEYS[0]
    blobs = [
        (response, seal(response, "answers", i)) for i, response in enumerate(a_response(questionnaire) for _ in "ab")
    ]
    settings.DATA_KEYS = [env_key("2027"), old]
    call_command("rotate_data_keys")
    assert "2 keys" in capsys.readouterr().out
    settings.DATA_KEYS = settings.DATA_KEYS[:1]
    for number, (response, blob) in enumerate(blobs):
        assert unseal(fresh(response), "answers", blob) == number


def test_the_command_fails_when_a_key_cannot_be_opened(response, settings):
    settings.DATA_KEYS = [env_key("2027")]
    with pytest.raises(CommandError, match="1 keys could not be opened"):
        call_command("rotate_data_keys")
    assert DataKey.objects.get(response=response).key_name == "test"
