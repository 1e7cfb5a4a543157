"""Versions, signatures and publishing: what the verbs refuse, and what PostgreSQL refuses when they are gone round."""

from datetime import date, timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import Error, connection, transaction

from education import blocks
from education.admin import versions_of
from education.content import default_articles, load_default_articles
from education.models import Article, ArticleReview, ArticleRevision, NotSigned, Publication, ReviewRequest, Source
from tests.education.conftest import NOW, WORDS, draft, make_user, published

pytestmark = pytest.mark.django_db
DUE = (NOW + timedelta(days=300)).date()


def refused(action):
    """Whether the database refuses, leaving the test's transaction usable."""
    try:
        with transaction.atomic():
            action()
    except Error:
        return True
    return False


def sql(text, *params):
    def run():
        with connection.cursor() as cursor:
            cursor.execute(text, params)

    return run


def as_owner():
    """Speak to the database as the owner, whom privileges do not stop: only the triggers are left."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def test_saving_makes_a_new_version_and_keeps_the_old_one(article, editor):
    first = draft(article, editor)
    second = draft(article, editor, title="How skin mends")
    assert [revision.version for revision in article.revisions.all()] == [2, 1]
    assert ArticleRevision.objects.get(pk=first.pk).title == "How skin heals"
    assert [source.key for source in second.sources.all()] == ["derm"]


def test_saving_the_same_words_again_makes_no_version(article, editor):
    assert draft(article, editor) == draft(article, editor, body=WORDS["body"].replace("\n", "\r"))


def test_saving_says_which_line_is_wrong_and_keeps_nothing(article, editor):
    with pytest.raises(ValidationError, match="Line 3, “Soft skin heals well if nobody scratche…”: There"):
        draft(article, editor, body="## A {#a}\n\nSoft skin heals well if nobody scratches it {{ source: nope }}\n")
    assert not article.revisions.exists()


def test_a_link_leads_to_a_page_that_is_there_and_need_not_be_read_yet(article, editor):
    leads = "## A {#a}\n\nRead [on](/learn/soon/#b).\n"
    with pytest.raises(ValidationError, match="There is no page /learn/soon/ on this site"):
        draft(article, editor, body=leads)
    Article.objects.create(slug="soon")
    assert draft(article, editor, body=leads)


def test_only_an_editor_saves(article, clinician):
    with pytest.raises(PermissionDenied):
        draft(article, clinician)


def test_the_published_version_stays_while_a_draft_is_written(article, editor, clinician):
    first = published(article, editor, clinician)
    draft(article, editor, title="Other words")
    [page] = Article.objects.published(now=NOW)
    assert page.published_revision == first
    assert page.reviewed_by == "Dr Clara Meyer"
    assert page.review_due == DUE


def test_publishing_without_a_signature_is_refused(article, editor):
    revision = draft(article, editor)
    with pytest.raises(NotSigned):
        article.publish(revision, by=editor, now=NOW)
    assert not Article.objects.published(now=NOW).exists()


def test_a_signature_on_another_version_does_not_count(article, editor, clinician):
    draft(article, editor).sign(by=clinician, now=NOW, review_due=DUE)
    newer = draft(article, editor, title="Changed after the signature")
    with pytest.raises(NotSigned):
        article.publish(newer, by=editor, now=NOW)


def test_an_answer_that_asks_for_changes_is_no_signature(article, editor, clinician):
    revision = draft(article, editor)
    revision.ask_for_changes(by=clinician, now=NOW, comment="The second line is wrong.")
    with pytest.raises(NotSigned):
        article.publish(revision, by=editor, now=NOW)


def test_what_a_clinician_objected_to_after_a_signature_is_not_published(article, editor, clinician, colleague):
    revision = draft(article, editor)
    revision.sign(by=clinician, now=NOW, review_due=DUE)
    revision.ask_for_changes(by=colleague, now=NOW + timedelta(hours=1), comment="The dose is wrong.")
    with pytest.raises(NotSigned, match="asked for changes"):
        article.publish(revision, by=editor, now=NOW + timedelta(hours=2))
    assert not Publication.objects.exists()
    revision.sign(by=colleague, now=NOW + timedelta(hours=3), review_due=DUE)
    article.publish(revision, by=editor, now=NOW + timedelta(hours=4))
    assert Article.objects.published(now=NOW + timedelta(hours=4)).exists()


def test_an_objection_to_what_patients_read_leaves_the_page_up_and_open_to_a_draft(
    article, editor, clinician, colleague
):
    revision = published(article, editor, clinician)
    revision.ask_for_changes(by=colleague, now=NOW + timedelta(hours=1), comment="The dose is wrong.")
    page = Article.objects.get()
    page.order = 7
    page.save()
    newer = draft(page, editor, title="With the right dose")
    assert (page.published_revision, newer.version) == (revision, 2)
    page.take_down(by=editor, now=NOW + timedelta(hours=2))
    with pytest.raises(NotSigned):
        page.publish(revision, by=editor, now=NOW + timedelta(hours=3))


def test_what_saving_would_refuse_today_is_neither_signed_nor_published(article, editor, clinician, monkeypatch):
    """A version from before the page had to keep a block, or before the questions led to a heading of it."""
    shown = published(article, editor, clinician)
    signed = draft(article, editor, title="Signed before")
    signed.sign(by=clinician, now=NOW, review_due=DUE)
    block, heading = "Patients count on {{ block: medicine }}", "The questions lead to #keloid on this page"
    for told, rule in [
        (block, lambda: monkeypatch.setitem(blocks.NEEDED, "healing", {"medicine"})),
        (heading, lambda: monkeypatch.setattr("education.models.headings_needed_on", lambda of: {"keloid"})),
    ]:
        rule()
        for refused_now in (
            lambda: article.publish(signed, by=editor, now=NOW),
            lambda: article.publish(shown, by=editor, now=NOW),
            lambda: signed.sign(by=clinician, now=NOW, review_due=DUE),
        ):
            with pytest.raises(ValidationError) as refusal:
                refused_now()
            assert told in " ".join(refusal.value.messages)
    assert (Publication.objects.count(), signed.reviews.count()) == (1, 1)
    assert Article.objects.published(now=NOW).get().published_revision == shown  # what is up stays up
    signed.ask_for_changes(by=clinician, now=NOW, comment="The line about medicines is missing.")


def test_an_editor_cannot_sign(article, editor):
    revision = draft(article, editor)
    with pytest.raises(PermissionDenied):
        revision.sign(by=editor, now=NOW, review_due=DUE)
    assert not ArticleReview.objects.exists()


def test_nobody_signs_their_own_words(article):
    both = make_user("both@clinic.example", "Content editor", "Clinician")
    revision = draft(article, both)
    with pytest.raises(PermissionDenied):
        revision.sign(by=both, now=NOW, review_due=DUE)


def test_a_superuser_is_no_clinician(article, editor):
    from clinic.models import User

    root = User.objects.create_superuser("root@clinic.example", "x")
    with pytest.raises(PermissionDenied):
        draft(article, editor).sign(by=root, now=NOW, review_due=DUE)


def test_somebody_who_left_cannot_sign(article, editor, clinician):
    clinician.is_active = False
    clinician.save(update_fields=["is_active"])
    with pytest.raises(PermissionDenied):
        draft(article, editor).sign(by=clinician, now=NOW, review_due=DUE)


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_review_is_due_within_a_year(article, editor, clinician, days):
    with pytest.raises(ValidationError):
        draft(article, editor).sign(by=clinician, now=NOW, review_due=NOW.date() + timedelta(days=days))


@pytest.mark.parametrize("days", [1, 365])
def test_a_day_within_the_year_is_taken(article, editor, clinician, days):
    review = draft(article, editor).sign(by=clinician, now=NOW, review_due=NOW.date() + timedelta(days=days))
    assert review.reviewer == clinician


def test_publishing_is_recorded_and_another_pages_version_is_refused(article, editor, clinician):
    revision = published(article, editor, clinician)
    assert list(Publication.objects.values_list("revision", "by")) == [(revision.pk, editor.pk)]
    other = Article.objects.create(slug="other")
    with pytest.raises(ValidationError):
        other.publish(revision, by=editor, now=NOW)


def test_taking_down_hides_the_page_and_keeps_everything(article, editor, clinician):
    published(article, editor, clinician)
    article.take_down(by=editor, now=NOW)
    assert not Article.objects.published(now=NOW).exists()
    assert ArticleRevision.objects.count() == 1
    assert Publication.objects.count() == 2


def test_asking_twice_is_one_request_until_it_is_answered(article, editor, clinician):
    revision = draft(article, editor)
    assert revision.ask_for_review(by=editor, now=NOW) == revision.ask_for_review(by=editor, now=NOW)
    revision.ask_for_changes(by=clinician, now=NOW + timedelta(minutes=1), comment="Shorter.")
    revision.ask_for_review(by=editor, now=NOW + timedelta(minutes=2))
    assert ReviewRequest.objects.count() == 2


def test_states_follow_from_the_records(article, editor, clinician):
    def state():
        return Article.objects.with_states().get().state

    assert state() == "none"
    revision = draft(article, editor)
    assert state() == "draft"
    revision.ask_for_review(by=editor, now=NOW)
    assert state() == "waiting"
    revision.ask_for_changes(by=clinician, now=NOW + timedelta(minutes=1), comment="Shorter.")
    assert state() == "changes"
    revision.ask_for_review(by=editor, now=NOW + timedelta(minutes=2))
    assert state() == "waiting"
    revision.sign(by=clinician, now=NOW + timedelta(minutes=3), review_due=DUE)
    assert state() == "signed"
    article.publish(revision, by=editor, now=NOW)
    assert state() == "published"


def needs(article):
    """The state of the newest version, which version waits for a clinician and which to be published, and the rank."""
    found = Article.objects.with_states().with_needs(on=NOW.date()).get(pk=article.pk)
    assert Article.objects.with_states().to_publish().exists() == (found.to_publish_version is not None)
    return found.state, found.waiting_version, found.to_publish_version, found.needs


def test_a_newer_draft_does_not_hide_what_waits(article, editor, clinician):
    first = draft(article, editor)
    assert needs(article) == ("draft", None, None, 3)
    first.ask_for_review(by=editor, now=NOW)
    second = draft(article, editor, title="Version 2")
    assert needs(article) == ("draft", 1, None, 0)
    first.sign(by=clinician, now=NOW + timedelta(minutes=1), review_due=DUE)
    assert needs(article) == ("draft", None, 1, 2)
    second.ask_for_review(by=editor, now=NOW + timedelta(minutes=2))
    assert needs(article) == ("waiting", 2, 1, 0)
    article.publish(first, by=editor, now=NOW)
    assert needs(article) == ("waiting", 2, None, 0)


def test_an_answer_closes_what_was_asked_about_that_version_and_older_ones(article, editor, clinician):
    first = draft(article, editor)
    first.ask_for_review(by=editor, now=NOW)
    second = draft(article, editor, title="Version 2")
    second.ask_for_review(by=editor, now=NOW)
    first.ask_for_changes(by=clinician, now=NOW + timedelta(minutes=1), comment="Shorter.")
    assert needs(article)[1] == 2
    first.ask_for_review(by=editor, now=NOW + timedelta(minutes=2))
    second.ask_for_changes(by=clinician, now=NOW + timedelta(minutes=3), comment="Shorter still.")
    assert needs(article) == ("changes", None, None, 2)
    first.ask_for_review(by=editor, now=NOW + timedelta(minutes=4))  # asked again after all
    assert needs(article)[1] == 1


def test_only_what_is_newer_than_all_that_was_ever_shown_is_to_be_published(article, editor, clinician):
    never_shown = draft(article, editor)
    never_shown.sign(by=clinician, now=NOW, review_due=DUE)
    assert needs(article) == ("signed", None, 1, 2)
    shown = published(article, editor, clinician, title="Version 2")
    assert needs(article) == ("published", None, None, 4)
    article.take_down(by=editor, now=NOW)
    assert needs(article) == ("signed", None, None, 4)  # taken down on purpose: nothing is to do
    past = {item["revision"].pk: item["can_publish"] for item in versions_of(Article.objects.with_states().get())}
    assert past == {never_shown.pk: False, shown.pk: True}


def test_overdue_pages_are_listed_from_the_day_after(article, editor, clinician):
    published(article, editor, clinician, due=date(2026, 12, 1))
    assert not Article.objects.overdue(on=date(2026, 12, 1), now=NOW)
    assert list(Article.objects.overdue(on=date(2026, 12, 2), now=NOW)) == [article]


class TestWalls:
    """The same, past the verbs: as the web role (privileges) and as the owner (triggers)."""

    @pytest.mark.parametrize("owner", [False, True])
    def test_words_sources_and_signatures_never_change(self, article, editor, clinician, owner):
        revision = published(article, editor, clinician)
        revision.ask_for_review(by=editor, now=NOW)
        if owner:
            as_owner()
        assert refused(lambda: ArticleRevision.objects.update(body="Nothing helps.\n"))
        assert refused(lambda: ArticleReview.objects.update(review_due=date(2099, 1, 1)))
        assert refused(lambda: ReviewRequest.objects.update(asked_at=NOW))
        assert refused(lambda: Publication.objects.update(at=NOW))
        assert refused(sql("UPDATE education_source SET strength = 'S1'"))
        assert refused(lambda: revision.save())
        for table in ("articlereview", "source", "reviewrequest", "publication", "articlerevision"):
            assert refused(sql(f"DELETE FROM education_{table}"))
        assert ArticleRevision.objects.get().body.startswith("## First")

    @pytest.mark.parametrize("owner", [False, True])
    def test_nothing_unsigned_is_published(self, article, editor, clinician, owner):
        revision = draft(article, editor)
        if owner:
            as_owner()
        show = "UPDATE education_article SET published_revision_id = %s, published_at = now()"
        record = "INSERT INTO education_publication (article_id, revision_id, at, by_id) VALUES (%s, %s, now(), %s)"
        assert refused(sql(show, revision.pk))
        assert refused(sql(record, article.pk, revision.pk, editor.pk))
        revision.sign(by=clinician, now=NOW, review_due=DUE)
        assert refused(sql(show, revision.pk))  # signed, but not on record as published
        assert not refused(sql(record, article.pk, revision.pk, editor.pk))
        assert not refused(sql(show, revision.pk))

    @pytest.mark.parametrize("owner", [False, True])
    def test_nothing_a_clinician_objected_to_last_is_published(self, article, editor, clinician, colleague, owner):
        revision = draft(article, editor)
        revision.sign(by=clinician, now=NOW, review_due=DUE)
        record = "INSERT INTO education_publication (article_id, revision_id, at, by_id) VALUES (%s, %s, now(), %s)"
        assert not refused(sql(record, article.pk, revision.pk, editor.pk))  # signed: the legal neighbour
        revision.ask_for_changes(by=colleague, now=NOW + timedelta(hours=1), comment="The dose is wrong.")
        if owner:
            as_owner()
        show = "UPDATE education_article SET published_revision_id = %s, published_at = now()"
        assert refused(sql(record, article.pk, revision.pk, editor.pk))
        assert refused(lambda: Publication.objects.create(article=article, revision=revision, at=NOW, by=editor))
        assert refused(sql(show, revision.pk))
        assert refused(lambda: Article.objects.update(published_revision=revision, published_at=NOW))
        revision.sign(by=colleague, now=NOW + timedelta(hours=2), review_due=DUE)
        assert not refused(sql(record, article.pk, revision.pk, editor.pk))
        assert not refused(sql(show, revision.pk))

    @pytest.mark.parametrize("owner", [False, True])
    def test_only_a_clinician_who_is_not_the_author_signs(self, article, editor, owner):
        both = make_user("both@clinic.example", "Content editor", "Clinician")
        clinician = make_user("clara@clinic.example", "Clinician")
        mine = draft(article, both)
        if owner:
            as_owner()

        def sign(person):
            return lambda: ArticleReview.objects.create(
                revision=mine, reviewer=person, signed_as="x", signed_at=NOW, outcome="signed",
                reviewed_on=NOW.date(), review_due=DUE,
            )  # fmt: skip

        assert refused(sign(both))
        assert refused(sign(editor))
        assert not refused(sign(clinician))

    def test_no_source_is_added_once_somebody_was_asked(self, article, editor, clinician):
        early, late = draft(article, editor), draft(article, editor, title="Late")

        def add(revision):
            return lambda: Source.objects.create(
                revision=revision, order=2, key="new", title="New", kind="study", strength="S3"
            )

        late.ask_for_review(by=editor, now=NOW)
        assert refused(add(late))
        assert not refused(add(early))

    def test_a_signature_has_a_due_date_and_a_refusal_has_words(self, article, editor, clinician):
        revision = draft(article, editor)
        row = {
            "revision": revision,
            "reviewer": clinician,
            "signed_as": "x",
            "signed_at": NOW,
            "reviewed_on": NOW.date(),
        }
        assert refused(lambda: ArticleReview.objects.create(**row, outcome="signed", review_due=None))
        assert refused(lambda: ArticleReview.objects.create(**row, outcome="signed", review_due=NOW.date()))
        assert refused(lambda: ArticleReview.objects.create(**row, outcome="changes-needed", comment=""))
        assert not refused(lambda: ArticleReview.objects.create(**row, outcome="changes-needed", comment="No."))


class TestDefaultArticles:
    def test_are_loaded_once_as_drafts(self):
        made = load_default_articles(now=NOW)
        assert len(made) == len(default_articles()) == 11
        assert load_default_articles(now=NOW) == []
        assert not Article.objects.published(now=NOW).exists()
        assert Article.objects.get(slug="aftercare").related.count() == 3

    def test_never_overwrite_what_an_editor_wrote(self, editor):
        load_default_articles(now=NOW)
        draft(Article.objects.get(slug="sessions"), editor, title="Our own words")
        assert load_default_articles(now=NOW) == []
        assert Article.objects.get(slug="sessions").latest_revision().title == "Our own words"

    def test_a_newer_shipped_text_becomes_one_more_draft(self, monkeypatch, clinician, editor):
        from dataclasses import replace

        from education import content

        load_default_articles(now=NOW)
        page = Article.objects.get(slug="sessions")
        old = page.latest_revision()
        old.sign(by=clinician, now=NOW, review_due=DUE)
        page.publish(old, by=editor, now=NOW)
        newer = tuple(
            replace(default, title="New shipped title") if default.slug == "sessions" else default
            for default in default_articles()
        )
        monkeypatch.setattr(content, "default_articles", lambda: newer)
        [made] = load_default_articles(now=NOW)
        assert made.title == "New shipped title"
        assert Article.objects.published(now=NOW).get().published_revision == old
