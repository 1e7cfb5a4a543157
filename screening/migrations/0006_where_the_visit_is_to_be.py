"""The place of the visit that waits: its clock says by when an answer was promised."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinic", "0004_consultation_first_is_a_choice"),
        ("screening", "0005_answered_on_the_day_it_was_sent"),
    ]

    operations = [
        migrations.AddField(
            model_name="reviewrequest",
            name="location",
            field=models.ForeignKey(
                blank=True,
                help_text="Where that visit is.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="clinic.location",
            ),
        ),
    ]
