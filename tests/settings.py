"""The environment of the tests, set before Django reads its settings (loaded by pytest as a plugin)."""

import os

os.environ["DATABASE_ROLE"] = "owner"  # the owner makes the test database; the `db` fixture then speaks as the web role
os.environ["DEBUG"] = "true"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["DATA_KEYS"] = "test:" + "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
os.environ["ALLOWED_HOSTS"] = "testserver,localhost,127.0.0.1"
os.environ["PUBLIC_URL"] = "http://testserver"
os.environ["EMAIL_URL"] = "memorymail://"
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright's loop runs in the thread of the tests
