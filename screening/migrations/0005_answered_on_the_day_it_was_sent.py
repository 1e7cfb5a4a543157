"""Answers count for 90 days from the local day of answering: that day is the day they were sent, in some time zone."""

from django.db import migrations

UP = """
ALTER TABLE screening_questionnaireresponse ADD CONSTRAINT screening_response_answered_on_its_day CHECK (
    completed_at IS NULL
    OR answered_on BETWEEN (completed_at AT TIME ZONE 'UTC')::date - 1 AND (completed_at AT TIME ZONE 'UTC')::date + 1);
"""
DOWN = "ALTER TABLE screening_questionnaireresponse DROP CONSTRAINT screening_response_answered_on_its_day;"


class Migration(migrations.Migration):
    dependencies = [("screening", "0004_newer_questionnaire_ends_clearance")]
    operations = [migrations.RunSQL(UP, DOWN)]
