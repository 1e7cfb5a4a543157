"""Pages that belong to no app: the frame, the errors, the sign-in. Each says what to do and whom to call."""

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import Mock

import pytest
from allauth.account.adapter import get_adapter
from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from clinic import views
from clinic.forms import ThreePartDateField
from clinic.models import Clinic, Location

STATIC = Path(settings.BASE_DIR) / "static"


class Ids(HTMLParser):
    """The ids of a page, and where its links within the page lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key == "href" and value.startswith("#"):
                self.links.append(value[1:])


@pytest.fixture
def clinic(db):
    clinic, _made = Clinic.objects.update_or_create(
        pk=1, defaults={"name": "Lindenhof", "tagline": "We soften scars.", "phone": "+442079460958"}
    )
    return clinic


@pytest.fixture
def place(db):
    return Location.objects.create(
        name="Harbour Street",
        slug="harbour-street",
        address="12 Harbour Street",
        phone="+441179460123",
        out_of_hours="Call 111 at night.",
        emergency="Call 999.",
        time_zone="Europe/London",
    )


def test_home_says_what_where_and_whom_to_call(client, clinic, place):
    html = client.get("/").content.decode()
    assert "We soften scars." in html
    assert "Harbour Street" in html
    assert 'href="tel:+442079460958"' in html
    assert reverse("booking:treatments") in html
    assert reverse("screening:start") in html
    assert html.count("btn-primary") == 1


def test_every_page_has_the_emergency_words_and_the_four_pages_of_the_footer(client, clinic, place):
    html = client.get("/").content.decode()
    assert "Call 999." in html and "Call 111 at night." in html
    for page in ("privacy", "accessibility", "complaints", "contact"):
        assert f'href="{reverse(page)}"' in html


def test_every_page_with_a_frame_of_its_own_says_that_it_is_a_demonstration():
    templates = Path(settings.BASE_DIR) / "templates"
    frames = [p for p in templates.rglob("*.html") if "<html" in p.read_text() and p.parent.name != "outbox"]
    assert len(frames) >= 3
    assert [str(path) for path in frames if "demo-banner" not in path.read_text()] == []


def test_the_demonstration_says_so_on_every_page_and_the_real_clinic_never_does(client, clinic, place):
    words = "Demonstration: content not signed off by a clinician"
    assert words not in client.get("/").content.decode()
    Clinic.objects.filter(pk=1).update(is_demo=True)
    for path in ("/", "/nothing-here/", reverse("account_login")):
        assert words in client.get(path).content.decode()


def test_a_page_before_set_up_is_not_broken(client, db):
    Clinic.objects.all().delete()
    assert client.get("/").status_code == 200
    assert client.get("/nothing-here/").status_code == 404


def test_home_weighs_less_than_150_kilobytes(client, clinic, place):
    html = client.get("/").content
    total = len(gzip.compress(html))
    for url in set(re.findall(r"(?:href|src)=\"/static/([^\"]+)\"", html.decode())):
        data = (STATIC / url).read_bytes()
        total += len(data) if url.endswith(".woff2") else len(gzip.compress(data))
    # The heading's face and the icons are named in the style sheets.
    heading = STATIC / "vendor/source-serif-4-5.3.1/source-serif-4-latin-600-normal.woff2"
    total += heading.stat().st_size + sum(path.stat().st_size for path in (STATIC / "icons").glob("*.svg"))
    assert total < 150_000


@pytest.mark.parametrize(
    "template", ["400.html", "403.html", "404.html", "429.html", "403_csrf.html", "session_ended.html"]
)
def test_an_error_page_says_what_to_do_and_whom_to_call(template, clinic, place):
    html = render_to_string(template, request=RequestFactory().get("/"))
    assert html.count("<h1") == 1
    assert 'href="tel:+442079460958"' in html
    assert 'class="site-header"' in html


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_error_pages_that_django_renders_alone_need_no_database_and_no_request(template):
    html = render_to_string(template)
    assert "<h1>" in html
    assert "call us" in html


def test_the_page_for_a_broken_server_names_files_that_are_here():
    for url in re.findall(r"href=\"/static/([^\"]+)\"", render_to_string("500.html")):
        assert (STATIC / url).is_file(), url


@pytest.mark.django_db
@pytest.mark.parametrize("is_demo", [True, False])
def test_a_broken_server_still_says_whom_to_call_and_asks_the_database_nothing(
    client, clinic, place, monkeypatch, django_assert_num_queries, is_demo
):
    type(clinic).objects.filter(pk=clinic.pk).update(is_demo=is_demo)
    client.get("/privacy/")  # some page, on a day on which all was well
    client.raise_request_exception = False
    monkeypatch.setattr("clinic.views.Practitioner.objects", Mock(filter=Mock(side_effect=ValueError("why"))))
    answer = client.get("/")
    page = answer.content.decode()
    assert answer.status_code == 500
    with django_assert_num_queries(0):
        assert views.server_error(RequestFactory().get("/")).content == answer.content
    assert "Something went wrong on our side" in page
    assert 'href="tel:+442079460958"' in page
    assert ("Demonstration: content not signed off" in page) is is_demo


def test_an_unknown_address_is_our_404(client, clinic, place):
    response = client.get("/nothing-here/")
    assert response.status_code == 404
    assert "We cannot find this page" in response.content.decode()


def test_a_form_that_was_open_too_long_is_our_403(clinic, place):
    response = Client(enforce_csrf_checks=True).post(reverse("account_login"), {"login": "a@example.org"})
    assert response.status_code == 403
    assert "This form was open too long" in response.content.decode()


class Sample(forms.Form):
    """One field of each shape."""

    name = forms.CharField(label="Name", help_text="As on your card.")
    keloid = forms.ChoiceField(label="Keloid", choices=[("yes", "Yes"), ("no", "No")], widget=forms.RadioSelect)
    areas = forms.MultipleChoiceField(label="Areas", choices=[("face", "Face")], widget=forms.CheckboxSelectMultiple)
    on = ThreePartDateField(label="Last dose")
    place = forms.ChoiceField(label="Place", choices=[("", "Choose"), ("a", "A")])
    agree = forms.BooleanField(label="I agree")
    more = forms.CharField(label="More", required=False)
    maybe = forms.CharField(label="Maybe", required=False)


def sample_page(data: dict) -> str:
    from crispy_forms.templatetags.crispy_forms_filters import as_crispy_form

    form = Sample(data)
    form.fields["maybe"].conditional = True
    return render_to_string("includes/error_summary.html", {"form": form}) + as_crispy_form(form)


def test_the_error_summary_leads_to_every_field():
    html = sample_page({})
    page = Ids(html)
    assert page.links == ["id_name", "id_keloid_0", "id_areas_0", "id_on_day", "id_place", "id_agree"]
    assert set(page.links) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "autofocus" in html and 'tabindex="-1"' in html


def test_a_described_field_points_at_a_hint_and_an_error_that_exist():
    html = sample_page({})
    ids = Ids(html).ids
    described = re.findall(r'aria-describedby="([^"]+)"', html)
    assert described
    for target in " ".join(described).split():
        assert target in ids, target


def test_no_summary_where_nothing_is_wrong():
    data = {"name": "A", "keloid": "no", "areas": ["face"], "on_day": "1", "on_month": "2", "on_year": "2026"}
    assert "error-summary" not in sample_page(data | {"place": "a", "agree": "on"})


def test_only_what_may_be_left_out_says_optional():
    html = sample_page({})
    assert html.count("(optional)") == 1
    assert "*" not in re.sub(r"<[^>]+>", "", html)


def test_a_wrong_form_says_error_in_the_title_of_the_tab(client, clinic, place):
    response = client.post(reverse("account_login"), {"login": "nobody@example.org", "password": "wrong"})
    html = response.content.decode()
    assert re.search(r"<title>\s*Error:", html)
    assert "error-summary" in html


@pytest.mark.parametrize(
    "url",
    [
        "account_login",
        "account_request_login_code",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key_done",
        "account_inactive",
    ],
)
def test_pages_of_signing_in_wear_our_frame(client, clinic, place, url):
    response = client.get(reverse(url))
    html = response.content.decode()
    assert response.status_code == 200
    assert 'class="site-header"' in html
    assert html.count("<h1") == 1


def test_a_page_of_allauth_that_we_have_not_worded_still_wears_our_look(clinic, place):
    """A setting or a new version may open one: its elements are drawn as ours."""
    html = render_to_string("account/password_set.html", {"form": Sample({})}, RequestFactory().get("/"))
    assert 'class="site-header"' in html
    assert 'class="btn btn-primary"' in html
    assert 'class="field-label"' in html
    assert "error-summary" in html


def test_the_code_page_can_send_again_and_correct_the_address(client, clinic, place):
    response = client.post(reverse("account_request_login_code"), {"email": "nobody@example.org"}, follow=True)
    html = response.content.decode()
    assert "nobody@example.org" in html
    assert 'autocomplete="one-time-code"' in html and 'inputmode="numeric"' in html
    assert get_adapter().generate_login_code().isdecimal()  # or a number pad could not write it
    assert "Send the code again" in html
    assert f'action="{reverse("correct_address")}"' in html


def test_staff_coming_from_the_staff_pages_meet_the_password_first(client, clinic, place):
    patient = client.get(reverse("account_login")).content.decode()
    staff = client.get(reverse("account_login") + "?next=/admin/").content.decode()
    assert patient.index("Send me a code") < patient.index("Sign in with my password")
    assert staff.index("Sign in with my password") < staff.index("send me a code")


def test_the_staff_pages_wear_the_same_tokens_and_have_no_dark_mode(clinic, place):
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    html = render_to_string("admin/base_site.html", {"title": "Today", "site_title": "Staff"}, request)
    sheets = re.findall(r'<link rel="stylesheet" href="/static/([^"]+)"', html)
    assert sheets[-2:] == ["css/foundation.css", "css/admin.css"]  # last, or Django's own sheets would win
    assert "dark_mode" not in html and "theme.js" not in html
    assert "Lindenhof" in html
