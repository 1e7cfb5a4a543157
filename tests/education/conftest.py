"""The cast of the education tests."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group

from clinic.models import User
from education.models import Article

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def make_user(email: str, *groups: str, **kw) -> User:
    """Somebody with roles."""
    user = User.objects.create_user(email, name=kw.pop("name", email.split("@")[0].title()), **kw)
    user.groups.set(Group.objects.filter(name__in=groups))
    assert user.groups.count() == len(groups)
    return user


@pytest.fixture
def editor(db):
    return make_user("edda@clinic.example", "Content editor", name="Edda Editor", is_staff=True)


@pytest.fixture
def clinician(db):
    return make_user("clara@clinic.example", "Clinician", name="Dr Clara Meyer", is_staff=True)


@pytest.fixture
def colleague(db):
    return make_user("carl@clinic.example", "Clinician", name="Dr Carl Adams", is_staff=True)


WORDS = {
    "title": "How skin heals",
    "summary": "What happens under the surface.",
    "short_answer": "It heals.\nSlowly.",
    "body": "## First {#first}\n\nSkin makes collagen. {{ source: derm }}\n",
    "sources": [
        {"key": "derm", "title": "Skin needling", "kind": "summary", "year": None, "url": "", "strength": "S3"}
    ],
}


@pytest.fixture
def article(db):
    return Article.objects.create(slug="healing", order=1)


def draft(article, editor, **kw):
    """A draft by an editor."""
    return article.save_draft(**{**WORDS, **kw}, by=editor, now=NOW)


def published(article, editor, clinician, *, now=NOW, due=None, **kw):
    """A signed and published page."""
    from datetime import timedelta

    revision = draft(article, editor, **kw)
    revision.sign(by=clinician, now=now, review_due=due or (now + timedelta(days=300)).date())
    article.publish(revision, by=editor, now=now)
    return revision


@pytest.fixture
def staff(client, settings):
    """`staff(user)`: a browser in which that member of staff is signed in; the second factor has its own tests."""
    settings.STAFF_SECOND_FACTOR = False

    def sign_in(user):
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return client

    return sign_in
