"""All settings. Every value that differs between places comes from the environment, and a wrong one fails loudly.

A file `.env` beside manage.py is read when it is there (`make run` writes one for development); the real
environment wins over it. docs/deploy.md lists every variable.
"""

import base64
import logging
import os
import re
import sys
import zoneinfo
from collections.abc import Container
from email.utils import parseaddr
from pathlib import Path

import environ
import phonenumbers
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")
env = environ.Env()


def required(name: str, hint: str) -> str:
    """The value of an environment variable; raises ImproperlyConfigured with `hint` where it is missing or empty."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise ImproperlyConfigured(f"Set {name}: {hint} (for development, `make env` writes a .env file.)")
    return value


def truth(name: str, default: bool) -> bool:
    """A yes/no variable; anything but true/false/1/0/yes/no/on/off raises."""
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: write true or false.")


def number(name: str, default: int) -> int:
    """A whole number, zero or more."""
    value = os.environ.get(name, "").strip() or str(default)
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number.")
    return int(value)


def one_of(name: str, default: str, known: Container[str], hint: str) -> str:
    """A word that has to be among the known ones; anything else raises with `hint`."""
    value = os.environ.get(name, "").strip() or default
    if value not in known:
        raise ImproperlyConfigured(f"{name} is {value!r}: {hint}")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def data_keys() -> list[tuple[str, bytes]]:
    """The keys that wrap the data keys of sealed documents, newest first: `DATA_KEYS=name:base64-of-32-bytes,…`."""
    keys = []
    for item in required("DATA_KEYS", "a list of name:key, each key 32 random bytes in base64, newest first.").split(
        ","
    ):
        name, _colon, text = item.strip().partition(":")
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError as error:
            raise ImproperlyConfigured(f"DATA_KEYS: the key {name!r} is not base64.") from error
        if not name or len(key) != 32:
            raise ImproperlyConfigured(f"DATA_KEYS: the key {name!r} must have a name and 32 bytes.")
        keys.append((name, key))
    if len({name for name, _key in keys}) != len(keys):
        raise ImproperlyConfigured("DATA_KEYS: two keys have the same name.")
    return keys


def public_url() -> str:
    """`PUBLIC_URL`: scheme, host and perhaps a port, without a slash at the end. https but in development, or on the
    machine itself: codes and answers go over it."""
    url = required("PUBLIC_URL", "the address patients use, such as https://clinic.example.").rstrip("/").lower()
    parts = re.fullmatch(r"(https?)://([a-z0-9.-]+|\[::1\])(:[0-9]{1,5})?", url)
    if parts is None:
        raise ImproperlyConfigured(f"PUBLIC_URL is {url!r}: write https:// and a host name, and nothing after it.")
    if parts[1] == "http" and not DEBUG and parts[2] not in ("localhost", "127.0.0.1", "[::1]"):
        raise ImproperlyConfigured(f"PUBLIC_URL is {url!r}: it begins with https:// (http:// only in development).")
    return url


DEBUG = truth("DEBUG", False)
SECRET_KEY = required("SECRET_KEY", "at least 50 random characters.")
if not DEBUG and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured(f"SECRET_KEY has {len(SECRET_KEY)} characters: write at least 50 random ones.")
DATA_KEYS = data_keys()
ALLOWED_HOSTS = words("ALLOWED_HOSTS")
if not DEBUG and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("Set ALLOWED_HOSTS: the names that people call this site by, such as clinic.example.")
PUBLIC_URL = public_url()
if not DEBUG:  # no default: with a wrong one all visitors share the address, and the limits, of the proxy
    required("TRUSTED_PROXY_COUNT", "how many proxies in front set X-Forwarded-For; 0 without any.")
TRUSTED_PROXY_COUNT = number("TRUSTED_PROXY_COUNT", 0)

INSTALLED_APPS = [
    "clinic.apps.ClinicConfig",
    "outbox.apps.OutboxConfig",
    "education.apps.EducationConfig",
    "screening.apps.ScreeningConfig",
    "booking.apps.BookingConfig",
    "clinic.apps.ClinicAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "phonenumber_field",
    "pgtrigger",
    "pghistory",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "clinic.middleware.ContentPolicy",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",  # below the headers: a drawing opened by itself has them as well
    "clinic.middleware.OneClinic",
    "clinic.middleware.NeutralRequests",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "clinic.middleware.PrivatePages",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "clinic.middleware.StaffSignIn",
    "pghistory.middleware.HistoryMiddleware",
    "clinic.middleware.OwnErrorPages",
]

ROOT_URLCONF = "clinic.urls"
WSGI_APPLICATION = "clinic.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "clinic.context.clinic",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"


# Database: any PostgreSQL from 15 on, or the embedded one. The site speaks as the web role, which owns nothing;
# `manage.py migrate` and the tests speak as the owner (docs/adr/0002).
def database_address(name: str) -> dict:
    """The connection that a variable names; {} without it."""
    url = os.environ.get(name, "").strip()
    if not url:
        return {}
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(f"{name} must be a postgresql:// address: the rules live in PostgreSQL.")
    try:
        return environ.Env.db_url_config(url)
    except ValueError:  # what it says of itself may hold the password
        raise ImproperlyConfigured(f"{name} is no address of a database: look at its port.") from None


web_database, owner_database = database_address("DATABASE_URL"), database_address("DATABASE_OWNER_URL")


def database() -> dict:
    """The connection of this process, as web role or as owner."""
    owner = one_of("DATABASE_ROLE", "web", ["web", "owner"], "write web or owner.") == "owner"
    config = owner_database if owner and owner_database else web_database
    if not web_database:
        if not DEBUG and not truth("ALLOW_LOCALDB", False):
            raise ImproperlyConfigured(
                "Set DATABASE_URL: the embedded PostgreSQL is for development (or ALLOW_LOCALDB=true)."
            )
        from clinic import localpg

        cluster = localpg.ensure_running(BASE_DIR)
        name = os.environ.get("LOCALDB_NAME", "clinic")
        localpg.ensure_database(cluster, name)
        config = environ.Env.db_url_config(cluster.url("owner" if owner else "web", database=name))
    # Development servers start a thread for each request: a kept connection would never be used again.
    config["CONN_MAX_AGE"] = number("DATABASE_CONN_MAX_AGE", 0 if DEBUG else 60)
    config["CONN_HEALTH_CHECKS"] = True
    if truth("DATABASE_PGBOUNCER", False):
        config["DISABLE_SERVER_SIDE_CURSORS"] = True
    config["TEST"] = {"NAME": os.environ.get("TEST_DB_NAME", "test_clinic")}
    return config


# `manage.py localdb` starts and stops the server and must not need it.
DATABASES = {} if sys.argv[1:2] == ["localdb"] else {"default": database()}
# Whose rights `migrate` sets; "" where the site speaks as the owner, or nobody says who owns.
DATABASE_WEB_ROLE = "clinic_web" if not web_database else web_database.get("USER", "") if owner_database else ""
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Room for many counters: with Django's 300 rows, somebody could push the limits of others out of the table.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "clinic_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# People
AUTH_USER_MODEL = "clinic.User"
AUTHENTICATION_BACKENDS = ["clinic.accounts.PeopleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "my"
LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "outbox.adapter.OutboxAccountAdapter"
ACCOUNT_FORMS = {
    "login": "clinic.accounts.PasswordForm",
    "request_login_code": "clinic.accounts.CodeForm",
    "reset_password": "clinic.accounts.PasswordLinkForm",
    "change_password": "clinic.accounts.OtherPasswordForm",
    "reset_password_from_key": "clinic.accounts.FirstPasswordForm",
}
MFA_ADAPTER = "clinic.accounts.MFAAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
# The password field stays here: without it allauth takes the password off everybody's sign-in page.
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60
# Six figures: the page of the code opens the number pad of a phone, and people read figures aloud more easily.
ACCOUNT_LOGIN_BY_CODE_FORMAT = {"numeric": True, "dashed": False, "length": 6}
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 5
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False
# Beside allauth's own limits, by address on the internet: a script with many sessions could keep every free time, fill
# the tables with begun answers, or the desk's list of people to ring. Behind a proxy, see TRUSTED_PROXY_COUNT.
ACCOUNT_RATE_LIMITS = {
    "hold": "10/10m/ip,30/h/ip",
    "screening": "30/10m/ip",
    "call_back": "10/10m/ip",
    # allauth's own, and a lid on the hour: nobody's mailbox is filled through us
    "request_login_code": "20/m/ip,60/h/ip,3/m/key,10/h/key",
    "reset_password": "20/m/ip,60/h/ip,5/m/key,10/h/key",
}
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = os.environ.get("MFA_TOTP_ISSUER", "The clinic")
USERSESSIONS_TRACK_ACTIVITY = False
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
# Staff screens lock after this many idle seconds (issue: ten minutes).
STAFF_IDLE_SECONDS = number("STAFF_IDLE_SECONDS", 600)
if not (STAFF_IDLE_SECONDS > 0 if DEBUG else 60 <= STAFF_IDLE_SECONDS <= 600):
    raise ImproperlyConfigured(f"STAFF_IDLE_SECONDS is {STAFF_IDLE_SECONDS}: write a number from 60 to 600.")
# A staff member without a second factor cannot open the admin; the demo (DEBUG and a demo database) does not ask. No
# variable switches it off: only the tests do.
STAFF_SECOND_FACTOR = True

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 24 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "clinic.views.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Words and time
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", _("English"))]
USE_I18N = True
FORMAT_MODULE_PATH = ["clinic.formats"]
USE_TZ = True
# Used where no location is meant; every appointment is shown in its location's own zone.
TIME_ZONE = one_of(
    "TIME_ZONE", "Europe/London", zoneinfo.available_timezones(), "write a time zone such as Europe/London."
)
PHONENUMBER_DEFAULT_REGION = one_of(
    "PHONE_REGION", "GB", phonenumbers.SUPPORTED_REGIONS, "write the two capitals of a country, such as GB."
)
PHONENUMBER_DEFAULT_FORMAT = "INTERNATIONAL"

# The privacy notice (templates/education/privacy.html) and its short words before the first question
# (templates/screening/includes/privacy.html), as people agree to them; a change of any word is a new version.
PRIVACY_VERSION = "1"

# Mail goes through the outbox's worker only.
EMAIL_URL = os.environ.get("EMAIL_URL", "").strip() or (
    "consolemail://" if DEBUG else required("EMAIL_URL", "smtp://…")
)
try:
    mail = environ.Env.email_url_config(EMAIL_URL)
except (ImproperlyConfigured, ValueError):  # what it says of itself may hold the password
    raise ImproperlyConfigured("EMAIL_URL is no such address: write smtp+tls://user:password@host:587.") from None
if not DEBUG and not (EMAIL_URL.startswith("smtp") and mail["EMAIL_HOST"]):
    raise ImproperlyConfigured("EMAIL_URL reaches no patient: write smtp+tls://user:password@host:587.")
vars().update(mail)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "").strip() or (
    "clinic@localhost" if DEBUG else required("DEFAULT_FROM_EMAIL", "the address messages come from.")
)
try:
    validate_email(parseaddr(DEFAULT_FROM_EMAIL)[1])
except ValidationError:
    raise ImproperlyConfigured(
        f"DEFAULT_FROM_EMAIL is {DEFAULT_FROM_EMAIL!r}: write an e-mail address such as clinic@clinic.example."
    ) from None

# Files: ours only. What the clinic uploads (pictures of articles) is kept in the database.
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# Security
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],  # Bootstrap draws its ticks and arrows from within its style sheet
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],  # the phone beside an article's words; everything else refuses to be framed
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
PERMISSIONS_POLICY: dict[str, list] = {
    name: [] for name in ("camera", "geolocation", "microphone", "payment", "usb", "fullscreen", "display-capture")
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
HTTPS = PUBLIC_URL.startswith("https://")
SECURE_SSL_REDIRECT = HTTPS and truth("SECURE_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
# Browsers remember it: every name below the site's is https only, for a year after the last visit.
SECURE_HSTS_SECONDS = number("HSTS_SECONDS", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS and truth("HSTS_SUBDOMAINS", True)

# History says who did what, and nobody rewrites it.
PGHISTORY_APPEND_ONLY = True

LOG_LEVEL = one_of(
    "LOG_LEVEL", "INFO", logging.getLevelNamesMapping(), "write DEBUG, INFO, WARNING, ERROR or CRITICAL."
)
# Logs carry no person: what opens something, and values that the database names, are left out (clinic/logs.py).
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "clinic.logs.NeutralLines",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
