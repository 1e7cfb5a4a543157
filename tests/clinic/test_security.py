"""Who may open which address, what every answer carries, and that nonsense is a page and not an error."""

import re
import runpy
import traceback
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.exceptions import BadRequest, ImproperlyConfigured, PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.urls import URLPattern, URLResolver, get_resolver, reverse

import clinic.settings
from clinic import accounts, middleware
from tests.make import make_clinic, make_location, make_practitioner, make_treatment, make_user

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
# What stands for an argument of an address; the guards come before any look-up.
ARGUMENTS = {
    "int": "1",
    "str": "x",
    "slug": "x",
    "uuid": "6f1c1f3e-8a0d-4a39-9a42-5c2a8a5a9d11",
    "path": "1",
}


def addresses(resolver=None, prefix="/"):
    """Every address of the site with stand-ins for its arguments, and the names of its pattern's apps."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = str(pattern.pattern)
        text = prefix
        if hasattr(pattern.pattern, "_route"):
            for name, converter in pattern.pattern.converters.items():
                kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
                route = route.replace(f"<{kind}:{name}>", ARGUMENTS[kind]).replace(f"<{name}>", ARGUMENTS["str"])
            text += route
        elif pattern.pattern.regex.groups or "?" in route:
            continue  # admin's catch-all and allauth's keys; the admin's are covered by their prefix
        else:
            text += route.strip("^$")
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, text)
        elif isinstance(pattern, URLPattern):
            yield text


ADMIN = sorted({address for address in addresses() if address.startswith("/admin/")})
PUBLIC = sorted(
    {
        address
        for address in addresses()
        if not address.startswith(("/admin/", "/dev/"))
        and not any(part in address for part in ARGUMENTS.values() if len(part) > 1)
        and "/x/" not in address
        and not address.endswith("/1/")
    }
)


@pytest.fixture(autouse=True)
def _fresh(db, settings):
    cache.clear()
    settings.STAFF_SECOND_FACTOR = True
    make_clinic(is_demo=False)


def test_the_walk_sees_the_site():
    assert len(ADMIN) > 60 and "/admin/clinic/patient/add/" in ADMIN
    assert any(address.startswith("/admin/screening/") for address in ADMIN)
    assert {"/", "/my/", "/accounts/login/", "/book/", "/screening/", "/privacy/"} <= set(PUBLIC)


def test_nobody_opens_a_staff_page_without_signing_in(client):
    for address in ADMIN:
        for send in (client.get, client.post):
            answer = send(address)
            assert answer.status_code == 302, address
            assert answer.url.startswith(("/admin/login/", "/accounts/login/")), (address, answer.url)


def test_no_patient_opens_a_staff_page(client):
    client.force_login(accounts.user_for("anna@example.org"))
    for address in ADMIN:
        for send in (client.get, client.post):
            assert send(address).status_code == 403, address


@pytest.mark.parametrize("role", ["Front desk", "Lead clinician", None])
def test_no_staff_page_opens_without_a_second_factor(client, role):
    if role is None:
        user = make_user(is_staff=True, is_superuser=True)
    else:
        user = make_user(role)
    client.force_login(user)
    for address in ADMIN:
        for send in (client.get, client.post):
            answer = send(address)
            assert (answer.status_code, answer.url) == (302, reverse("mfa_activate_totp")), address


@pytest.mark.parametrize("role", ["Front desk", "Manager", "Content editor", None])
def test_nobody_but_clinicians_opens_a_page_of_screening(client, settings, role):
    settings.STAFF_SECOND_FACTOR = False
    user = make_user(role) if role else make_user(is_staff=True, is_superuser=True)
    client.force_login(user)
    for address in ADMIN:
        if address.startswith("/admin/screening/"):
            for send in (client.get, client.post):
                assert send(address).status_code in (403, 404), address


def test_a_switched_off_account_is_signed_out(client, settings):
    settings.STAFF_SECOND_FACTOR = False
    user = make_user("Manager")
    client.force_login(user)
    assert client.get("/admin/").status_code == 200
    user.is_active = False
    user.save(update_fields=["is_active"])
    assert client.get("/admin/").status_code == 302


def headers_are_right(answer, where):
    is_framed = re.search("/education/.*/phone/$", str(where)) and answer.status_code == 200  # by the editor's own page
    policy = CSP.replace("frame-ancestors 'none'", "frame-ancestors 'self'") if is_framed else CSP
    assert set(answer["Content-Security-Policy"].split("; ")) == set(policy.split("; ")), where
    assert answer["X-Content-Type-Options"] == "nosniff", where
    assert answer["Referrer-Policy"] == "same-origin", where
    assert answer["X-Frame-Options"] == ("SAMEORIGIN" if is_framed else "DENY"), where
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", where
    for name in ("camera", "geolocation", "microphone", "payment", "usb", "fullscreen", "display-capture"):
        assert f"{name}=()" in answer["Permissions-Policy"], where


def test_every_public_answer_carries_the_headers(client):
    for address in [*PUBLIC, "/nowhere/", "/%00", "/?q=%ff"]:
        headers_are_right(client.get(address), address)


def test_every_staff_answer_carries_the_headers(client, settings):
    settings.STAFF_SECOND_FACTOR = False
    user = make_user(is_staff=True, is_superuser=True)
    user.groups.set(Group.objects.all())
    client.force_login(user)
    seen = set()
    for address in ADMIN:
        if "logout" in address:
            continue
        answer = client.get(address)
        seen.add(answer.status_code)
        assert answer.status_code < 500, address
        headers_are_right(answer, address)
    assert 200 in seen


def test_no_page_has_an_inline_script_or_style(client, settings):
    settings.STAFF_SECOND_FACTOR = False
    make_practitioner(make_treatment())
    make_location()
    user = make_user(is_staff=True, is_superuser=True)
    user.groups.set(Group.objects.all())
    pages = [(address, client.get(address)) for address in PUBLIC]
    client.force_login(user)
    pages += [(address, client.get(address)) for address in ADMIN if "logout" not in address]
    drawn = 0
    for address, answer in pages:
        if answer.status_code != 200 or "html" not in answer["Content-Type"]:
            continue
        drawn += 1
        text = answer.content.decode()
        assert "<style" not in text and " style=" not in text, address
        assert " onclick=" not in text and "javascript:" not in text, address
        for part in text.split("<script")[1:]:
            head = part.split(">", 1)[0]
            assert "src=" in head or "application/json" in head or "application/ld+json" in head, address
        assert "//cdn" not in text and "https://fonts" not in text, address
    assert drawn > 30


def test_https_is_remembered(client, settings):
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    assert "max-age=31536000; includeSubDomains" in client.get("/healthz", secure=True)["Strict-Transport-Security"]


PRODUCTION = {
    "DEBUG": "false",
    "PUBLIC_URL": "https://clinic.example",
    "DATABASE_URL": "postgresql://a:b@db.example/c",
    "DATABASE_OWNER_URL": "",
    "EMAIL_URL": "smtp://mail.example",
    "DEFAULT_FROM_EMAIL": "us@clinic.example",
    "TRUSTED_PROXY_COUNT": "0",
}


@pytest.fixture
def started(monkeypatch):
    """The settings as they are read at the start, with production's environment and these changes."""

    def read(**changes):
        for name, value in (PRODUCTION | changes).items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(clinic.settings.__file__)

    return read


def test_an_https_address_switches_everything_on(started):
    names = "SECURE_HSTS_SECONDS SECURE_SSL_REDIRECT SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SESSION_COOKIE_HTTPONLY"
    found = started()
    assert [found[name] for name in names.split()] == [31536000, True, True, True, True]
    assert found["SECURE_HSTS_INCLUDE_SUBDOMAINS"] and found["SECURE_HSTS_PRELOAD"]
    found = started(HSTS_SECONDS="0", HSTS_SUBDOMAINS="false", SECURE_SSL_REDIRECT="false")
    names = "SECURE_HSTS_SECONDS SECURE_HSTS_INCLUDE_SUBDOMAINS SECURE_HSTS_PRELOAD SECURE_SSL_REDIRECT"
    assert not any(found[name] for name in names.split())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in ("SECRET_KEY", "DATA_KEYS", "PUBLIC_URL", "DATABASE_URL", "EMAIL_URL")),
        *((name, "") for name in ("DEFAULT_FROM_EMAIL", "TRUSTED_PROXY_COUNT")),
        ("TRUSTED_PROXY_COUNT", "one"),
        ("DATA_KEYS", "one:short"),
        ("PUBLIC_URL", "clinic.example"),
        ("PUBLIC_URL", "http://clinic.example"),
        ("PUBLIC_URL", "https://clinic.example/site"),
        ("PUBLIC_URL", "https://clinic.example?site"),
        ("PUBLIC_URL", "https://us@clinic.example"),
        ("PUBLIC_URL", "https:// clinic"),
        ("PUBLIC_URL", "https://"),
        ("DATABASE_URL", "sqlite:///file"),
        ("DEBUG", "perhaps"),
        ("STAFF_IDLE_SECONDS", "ten"),
        ("STAFF_IDLE_SECONDS", "59"),
        ("STAFF_IDLE_SECONDS", "601"),
        ("SECRET_KEY", "x" * 49),
        ("ALLOWED_HOSTS", " , "),
        ("TIME_ZONE", "Europe/Camelot"),
        ("PHONE_REGION", "gb"),
        ("LOG_LEVEL", "loud"),
        ("HSTS_SECONDS", "a year"),
        ("EMAIL_URL", "pigeon://post"),
        ("EMAIL_URL", "smtp://user:pass@mail.example:port"),
        *(("EMAIL_URL", f"{kind}mail://") for kind in ("dummy", "console", "memory", "file")),
        ("EMAIL_URL", "smtp://"),
        ("DEFAULT_FROM_EMAIL", "clinic"),
        ("DATABASE_URL", "postgresql://a:pass@db.example:port/c"),
        ("DATABASE_OWNER_URL", "postgresql://a:pass@db.example:port/c"),
        ("DATABASE_OWNER_URL", "mysql://a:pass@db.example/c"),
        ("DATABASE_ROLE", "Owner"),
    ],
)
def test_a_missing_or_wrong_setting_stops_the_start_with_its_name(started, name, value):
    with pytest.raises(ImproperlyConfigured) as stopped:
        started(**{name: value})
    assert name in str(stopped.value) and "pass@" not in "".join(traceback.format_exception(stopped.value))


@pytest.mark.parametrize(
    "changes",
    [
        {"SECRET_KEY": "x" * 50, "STAFF_IDLE_SECONDS": "60", "LOG_LEVEL": "DEBUG", "PHONE_REGION": "MT"},
        {"DEBUG": "true", "SECRET_KEY": "short", "ALLOWED_HOSTS": "", "STAFF_IDLE_SECONDS": "1", "TIME_ZONE": ""},
        {"DEBUG": "true", "PUBLIC_URL": "http://clinic.test", "EMAIL_URL": "", "TRUSTED_PROXY_COUNT": ""},
        {"PUBLIC_URL": "http://localhost:8000/", "DEFAULT_FROM_EMAIL": "The clinic <us@clinic.example>"},
        {"PUBLIC_URL": "https://Clinic.Example:8443", "EMAIL_URL": "smtp+tls://user:pass@mail.example:587"},
    ],
)
def test_settings_at_the_edge_are_taken(started, changes):
    address = started(**changes)["PUBLIC_URL"]
    assert address == address.lower().rstrip("/")


def test_every_variable_is_told_to_whoever_runs_the_site():
    asks = r'(?:required|truth|number|one_of|words|database_address|environ\.get)\(\s*"([A-Z_]+)"'
    read = set(re.findall(asks, Path(clinic.settings.__file__).read_text()))
    told = (clinic.settings.BASE_DIR / "docs" / "deploy.md").read_text()
    assert len(read) > 20
    assert not {name for name in read - {"TEST_DB_NAME"} if f"`{name}`" not in told}


def test_a_zero_idle_time_is_refused_in_development_too(started):
    with pytest.raises(ImproperlyConfigured, match="STAFF_IDLE_SECONDS is 0"):
        started(DEBUG="true", STAFF_IDLE_SECONDS="0")


FORM = "application/x-www-form-urlencoded"
BROKEN = [
    ("get", "/%00", {}),
    ("get", "/learn/%00/", {}),
    ("get", "/learn/?q=%00", {}),
    ("get", "/learn/?q=%ff%fe", {}),
    ("get", "/learn/?%00=1", {}),
    ("get", "/learn/?q=%ed%a0%80", {}),
    ("get", "/learn/?q=" + "a" * 5000, {}),
    ("get", "/admin/login/?next=%00", {}),
    ("get", "/accounts/login/?next=%00", {}),
    ("get", "/my/", {"HTTP_COOKIE": 'sessionid="\\000\\000"'}),
    ("post", "/accounts/login/", {"data": "lo%00gin=a", "content_type": FORM}),
    ("post", "/accounts/login/", {"data": "lo%ffgin=a", "content_type": FORM}),
    ("post", "/accounts/login/", {"data": b"--x\r\nnonsense", "content_type": "multipart/form-data"}),
    ("post", "/accounts/login/", {"data": "a=1&" * 1500, "content_type": FORM}),
]


@pytest.mark.parametrize(("method", "address", "how"), BROKEN)
def test_what_nobody_sends_by_accident_is_a_400_page(client, method, address, how):
    answer = getattr(client, method)(address, **how)
    assert answer.status_code == 400
    assert "We could not read that" in answer.content.decode()


def test_the_name_of_a_file_arrives_without_what_no_database_keeps(rf):
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="sca\0&#0;r.png"\r\n\r\nz\r\n--x--\r\n'
    request = rf.post("/", part, content_type="multipart/form-data; boundary=x")
    middleware.NeutralRequests(lambda request: None)(request)
    assert "\0" not in request.FILES["file"].name
    request = rf.post("/", b"name=%ff", content_type=FORM)
    middleware.NeutralRequests(lambda request: None)(request)
    assert not request.FILES and request.POST["name"] == "\0", "looking for files keeps the mark"


NONSENSE = [
    {"HTTP_HOST": "testserver", "HTTP_ACCEPT_LANGUAGE": "\xff,;q=x,,en;q=9999" + "a" * 3000},
    {"HTTP_COOKIE": "sessionid=\xff\xfe; =; ;;; csrftoken=" + "x" * 500},
    {"HTTP_COOKIE": "sessionid=" + "a" * 5000},
    {"HTTP_REFERER": "http://[", "HTTP_ORIGIN": "http://["},
    {"HTTP_X_FORWARDED_FOR": "999.1.1.1, ${jndi}", "HTTP_X_FORWARDED_PROTO": "gopher"},
    {"HTTP_IF_MODIFIED_SINCE": "yesterday", "HTTP_RANGE": "bytes=9-1", "HTTP_ACCEPT": "\x01"},
    {"CONTENT_LENGTH": "-5"},
    {"CONTENT_LENGTH": "many"},
]


@pytest.mark.parametrize("headers", NONSENSE)
def test_nonsense_in_headers_breaks_nothing(client, headers):
    for address in ("/", "/learn/", "/accounts/login/", "/admin/", "/my/", "/book/"):
        assert client.get(address, **headers).status_code < 500
    assert client.post("/accounts/login/code/", {"email": "a@example.org"}, **headers).status_code < 500


def test_a_wrong_host_is_refused_as_a_page(client):
    assert client.get("/", HTTP_HOST="evil.example").status_code == 400
    assert client.get("/", HTTP_HOST="\xff").status_code == 400


@pytest.mark.parametrize(
    ("address", "how", "status", "heading"),
    [
        ("/nothing-here/", {}, 404, "We cannot find this page"),
        ("/learn/nothing-here/", {}, 404, "We cannot find this page"),
        ("/accounts/signup/", {}, 404, "We cannot find this page"),
        ("/accounts/2fa/", {}, 404, "We cannot find this page"),
        ("/admin/", {}, 403, "This page is not open to you"),
        ("/%00", {}, 400, "We could not read that"),
        ("/", {"HTTP_HOST": "evil.example"}, 400, ""),
    ],
)
def test_in_development_too_errors_have_our_look_and_headers(client, settings, address, how, status, heading):
    settings.DEBUG = True
    make_clinic(is_demo=True)
    client.force_login(accounts.user_for("anna@example.org"))
    answer = client.get(address, **how)
    assert answer.status_code == status
    headers_are_right(answer, address)
    page = answer.content.decode()
    assert "DEBUG" not in page and heading in page
    assert not heading or "Demonstration: content not signed off" in page


@pytest.mark.parametrize("error", [Http404, BadRequest, SuspiciousOperation, PermissionDenied])
def test_in_development_too_what_a_page_refuses_has_our_look(client, settings, monkeypatch, error):
    settings.DEBUG = True
    monkeypatch.setattr("clinic.views.Practitioner.objects", Mock(filter=Mock(side_effect=error("why"))))
    answer = client.get("/")
    assert answer.status_code in (400, 403, 404) and "DEBUG" not in answer.content.decode()
    headers_are_right(answer, error)


def test_in_development_a_traceback_stays_djangos(client, settings, monkeypatch):
    settings.DEBUG = True
    client.raise_request_exception = False
    monkeypatch.setattr("clinic.views.Practitioner.objects", Mock(filter=Mock(side_effect=ValueError("why"))))
    answer = client.get("/")
    assert answer.status_code == 500 and "Traceback" in answer.content.decode()


def test_in_development_too_a_missing_slash_is_added(client, settings):
    settings.DEBUG = True
    assert client.get("/learn").url == "/learn/"


def test_a_field_that_stands_twice_is_read_once(client):
    answer = client.post(
        "/accounts/login/code/",
        "email=a@example.org&email=b@example.org",
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 302
    assert client.get("/learn/?q=a&q=b").status_code == 200


def test_a_form_without_its_token_says_so(client):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/accounts/login/code/", {"email": "a@example.org"})
    assert answer.status_code == 403 and "This form was open too long" in answer.content.decode()


def test_health_checks_are_cheap(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok"
    client.get("/readyz")
    with django_assert_num_queries(1):
        assert client.get("/readyz").json() == {"ready": True}


def test_readyz_says_when_a_migration_is_missing(client, monkeypatch):
    from clinic import views

    monkeypatch.setattr(views, "_migrations_seen", set())
    real = views.MigrationLoader

    class Newer(real):
        def __init__(self, connection):
            super().__init__(connection)
            self.graph.leaf_nodes = lambda: [("clinic", "9999_not_yet")]

    monkeypatch.setattr(views, "MigrationLoader", Newer)
    answer = client.get("/readyz")
    assert answer.status_code == 503 and answer.json()["reason"] == "migrations are missing"


def test_the_page_of_messages_exists_in_development_only(client, settings):
    from django.test import RequestFactory

    from outbox import views

    assert client.get("/dev/messages/").status_code == 404
    settings.DEBUG = True
    assert views.dev_messages(RequestFactory().get("/")).status_code == 200


def test_the_first_page_costs_the_same_however_much_is_offered(client, django_assert_max_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/").status_code == 200
        return len(captured)

    make_practitioner(make_treatment(price="150.00"))
    make_location()
    assert "£150" in client.get("/").content.decode()
    one = queries()
    for _more in range(3):
        make_practitioner(make_treatment())
        make_location()
    assert queries() == one
