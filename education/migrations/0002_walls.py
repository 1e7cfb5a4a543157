"""What PostgreSQL refuses: changing a version, its sources, a signature or the list of what was published; publishing
what no clinician signed; signing without the right, or one's own words. Tables of other apps are read by name only when
a trigger runs."""

from django.db import migrations

APPEND_ONLY = [
    "education_articlerevision",
    "education_source",
    "education_reviewrequest",
    "education_articlereview",
    "education_publication",
]

FUNCTIONS = """
CREATE FUNCTION education_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'education_append_only: % is never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION education_is_signed(wanted bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM education_articlereview WHERE revision_id = wanted AND outcome = 'signed')
$$;

-- Sources belong to a version from its birth: none is added once somebody was asked to read it. The lock on the page
-- makes this and a signature in another transaction wait for each other.
CREATE FUNCTION education_source_comes_with_its_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM education_article a JOIN education_articlerevision r ON r.article_id = a.id
      WHERE r.id = NEW.revision_id FOR UPDATE OF a;
    IF EXISTS (SELECT 1 FROM education_reviewrequest WHERE revision_id = NEW.revision_id)
       OR EXISTS (SELECT 1 FROM education_articlereview WHERE revision_id = NEW.revision_id) THEN
        RAISE EXCEPTION 'education_source_comes_with_its_revision' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION education_review_by_a_clinician() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM education_article a JOIN education_articlerevision r ON r.article_id = a.id
      WHERE r.id = NEW.revision_id FOR UPDATE OF a;
    IF EXISTS (SELECT 1 FROM education_articlerevision WHERE id = NEW.revision_id AND author_id = NEW.reviewer_id) THEN
        RAISE EXCEPTION 'education_review_by_a_clinician: nobody signs their own words' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM clinic_user u
        JOIN clinic_user_groups ug ON ug.user_id = u.id
        JOIN auth_group_permissions gp ON gp.group_id = ug.group_id
        JOIN auth_permission p ON p.id = gp.permission_id
        JOIN django_content_type t ON t.id = p.content_type_id
        WHERE u.id = NEW.reviewer_id AND u.is_active AND p.codename = 'review_article' AND t.app_label = 'education'
    ) THEN
        RAISE EXCEPTION 'education_review_by_a_clinician: not a clinician' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION education_published_is_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'education_article' THEN
        IF NEW.published_revision_id IS NULL THEN RETURN NEW; END IF;
        IF NOT EXISTS (SELECT 1 FROM education_articlerevision WHERE id = NEW.published_revision_id AND article_id = NEW.id)
        THEN
            RAISE EXCEPTION 'education_published_is_signed: another page''s revision' USING ERRCODE = 'check_violation';
        END IF;
        IF NOT EXISTS (SELECT 1 FROM education_publication
                       WHERE article_id = NEW.id AND revision_id = NEW.published_revision_id) THEN
            RAISE EXCEPTION 'education_published_is_signed: not on record' USING ERRCODE = 'check_violation';
        END IF;
        IF NOT education_is_signed(NEW.published_revision_id) THEN
            RAISE EXCEPTION 'education_published_is_signed: no clinician signed it' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.revision_id IS NOT NULL THEN
        IF NOT EXISTS (SELECT 1 FROM education_articlerevision WHERE id = NEW.revision_id AND article_id = NEW.article_id)
           OR NOT education_is_signed(NEW.revision_id) THEN
            RAISE EXCEPTION 'education_published_is_signed: no clinician signed it' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION education_picture_stays_as_it_is() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' OR EXISTS (
        SELECT 1 FROM education_articlerevision
        WHERE body ~ ('\\{\\{\\s*picture\\s*:\\s*' || OLD.name || '\\s*\\}\\}')
    ) THEN
        RAISE EXCEPTION 'education_picture_stays_as_it_is' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER education_source_comes_with_its_revision BEFORE INSERT ON education_source
    FOR EACH ROW EXECUTE FUNCTION education_source_comes_with_its_revision();
CREATE TRIGGER education_review_by_a_clinician BEFORE INSERT ON education_articlereview
    FOR EACH ROW EXECUTE FUNCTION education_review_by_a_clinician();
CREATE TRIGGER education_published_is_signed BEFORE INSERT OR UPDATE OF published_revision_id ON education_article
    FOR EACH ROW EXECUTE FUNCTION education_published_is_signed();
CREATE TRIGGER education_published_is_signed BEFORE INSERT ON education_publication
    FOR EACH ROW EXECUTE FUNCTION education_published_is_signed();
CREATE TRIGGER education_picture_stays_as_it_is BEFORE UPDATE OR DELETE ON education_picture
    FOR EACH ROW EXECUTE FUNCTION education_picture_stays_as_it_is();
"""

DROP = """
DROP TRIGGER education_picture_stays_as_it_is ON education_picture;
DROP TRIGGER education_published_is_signed ON education_publication;
DROP TRIGGER education_published_is_signed ON education_article;
DROP TRIGGER education_review_by_a_clinician ON education_articlereview;
DROP TRIGGER education_source_comes_with_its_revision ON education_source;
DROP FUNCTION education_picture_stays_as_it_is();
DROP FUNCTION education_published_is_signed();
DROP FUNCTION education_review_by_a_clinician();
DROP FUNCTION education_source_comes_with_its_revision();
DROP FUNCTION education_is_signed(bigint);
DROP FUNCTION education_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("education", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTIONS, DROP),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION education_append_only();",
                f"DROP TRIGGER {table}_append_only ON {table};",
            )
            for table in APPEND_ONLY
        ),
    ]
