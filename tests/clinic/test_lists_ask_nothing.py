"""The lists of the staff site answer the questions of their filters only: an address must not spell out a secret."""

import pytest
from django.contrib import admin

from outbox.models import Message
from tests.make import NOW, make_appointment, make_user

pytestmark = pytest.mark.django_db


def test_a_password_cannot_be_asked_for_letter_by_letter(client):
    make_user(role="Clinician", password="a long pass phrase")
    client.force_login(make_user(role="Manager"))
    for question in ("password__startswith=md5", "password__startswith=x", "password__contains=md5"):
        assert client.get(f"/admin/clinic/user/?{question}").status_code == 400, question


def test_the_words_of_a_message_that_opens_an_account_cannot_be_asked_for(client):
    Message.objects.create(key="x", kind="code", to="a@example.org", subject="x", text="code: 123456", due_at=NOW)
    client.force_login(make_user(role="Front desk"))
    for question in ("text__contains=123456", "html__startswith=x", "key=x"):
        assert client.get(f"/admin/outbox/message/?show=all&{question}").status_code == 400, question


def test_a_clinicians_reason_cannot_be_asked_for_by_the_front_desk(client):
    make_appointment()
    client.force_login(make_user(role="Front desk"))
    for question in ("cancel_reason=clinical", "review__isnull=0", "response__isnull=0", "review__outcome=deferred"):
        assert client.get(f"/admin/booking/appointment/?show=all&{question}").status_code == 400, question


def test_no_list_answers_for_a_field_that_no_filter_shows(rf):
    request = rf.get("/")
    request.user = make_user(is_staff=True, is_superuser=True)
    asked = 0
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == "screening":  # pages of its own, which read nothing from the address
            continue
        for field in model._meta.concrete_fields:
            asked += 1
            for look_up in (f"{field.name}__startswith", f"{field.name}__gt", f"{field.name}__regex"):
                assert not model_admin.lookup_allowed(look_up, "x", request), (model, look_up)
    assert asked > 100


@pytest.mark.parametrize(
    "address",
    [
        "/admin/clinic/user/?is_active__exact=1&groups__id__exact=1",
        "/admin/clinic/treatment/?is_active__exact=0",
        "/admin/clinic/callback/?show=all",
        "/admin/outbox/message/?show=all",
        "/admin/booking/appointment/?show=all&when=past&at=x&with=x&status__exact=booked",
        "/admin/booking/workinghours/?weekday__exact=1&with=x",
        "/admin/booking/closure/?show=all",
        "/admin/education/article/?work=sign",
        "/admin/clinic/patient/?q=ada&o=1&p=0",
    ],
)
def test_what_the_filters_show_can_be_asked_for(client, address):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert client.get(address).status_code == 200


def test_a_question_that_cannot_be_answered_is_left_out(client):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    for question in ("e=1&is_active__exact=perhaps", "is_active__exact=perhaps", "e=x&p=-7"):
        answer = client.get(f"/admin/clinic/treatment/?{question}", follow=True)
        assert answer.status_code == 200 and "Database error" not in answer.content.decode()


def test_no_list_counts_each_choice_of_its_filters(client, django_assert_max_num_queries):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    address = "/admin/booking/appointment/?_facets=True"
    assert b"Show counts" not in client.get("/admin/booking/appointment/").content
    with django_assert_max_num_queries(12):
        client.get(address)
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label != "screening":  # pages of its own
            assert model_admin.show_facets is admin.ShowFacets.NEVER, model
