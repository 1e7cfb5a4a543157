"""The settings of the tests: the site's own, with an environment that is set before they are read."""

import os

os.environ["DATABASE_ROLE"] = "owner"  # the owner makes the test database; tests then speak as the web role (conftest)
os.environ["DEBUG"] = "true"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["DATA_KEYS"] = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
os.environ["ALLOWED_HOSTS"] = "testserver,localhost,127.0.0.1"
os.environ["PUBLIC_URL"] = "http://testserver"
os.environ["EMAIL_URL"] = "memorymail://"
os.environ["TIME_ZONE"] = "Europe/London"
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright's loop runs in the thread of the tests

from clinic.settings import *  # noqa: E402, F403

# What a test commits need not survive a power cut.
DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c synchronous_commit=off"  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STAFF_SECOND_FACTOR = False  # tests/clinic/test_accounts_staff.py and test_security.py switch it on
