"""Consultation first: never, when a finding needs it, or always. What was "yes" is "always"; "no" is "when needed".

No clinic is moved to "never" by this: that is for a person to choose.
"""

from django.db import migrations, models

# The second line checks at once what would wait for the end: a table with checks waiting cannot be altered further.
FORWARD = """
UPDATE clinic_clinic SET consultation_first = CASE consultation_first WHEN 'true' THEN 'always' ELSE 'when-needed' END;
SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;
"""
BACK = """
UPDATE clinic_clinic SET consultation_first = CASE consultation_first WHEN 'always' THEN 'true' ELSE 'false' END;
SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [("clinic", "0003_staff_words")]

    operations = [
        # PostgreSQL turns the boolean into the words "true" and "false" on the way.
        migrations.AlterField(
            model_name="clinic",
            name="consultation_first",
            field=models.CharField(
                choices=[
                    ("never", "never"),
                    ("when-needed", "when a finding needs it"),
                    ("always", "always, for new patients"),
                ],
                default="when-needed",
                help_text="A consultation counts for six months. “When a finding needs it”: without one, a clinician "
                "cannot clear answers that ask for a look in person.",
                max_length=12,
                verbose_name="a consultation before a first treatment",
            ),
        ),
        migrations.RunSQL(FORWARD, BACK),
        migrations.AddConstraint(
            model_name="clinic",
            constraint=models.CheckConstraint(
                condition=models.Q(consultation_first__in=["never", "when-needed", "always"]),
                name="clinic_clinic_consultation_first_known",
            ),
        ),
    ]
