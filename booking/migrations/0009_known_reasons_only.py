"""I6: why something was cancelled is one of the known codes; the desk's pages say each in words."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("booking", "0008_days_are_kept")]
    operations = [
        migrations.AddConstraint(
            model_name="appointment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    cancel_reason__in=[
                        "",
                        "patient-asked",
                        "practitioner-away",
                        "clinic-closed",
                        "mistake",
                        "clinical",
                        "hold-expired",
                        "no-answer",
                        "not-reviewed",
                        "form-missing",
                    ]
                ),
                name="booking_appointment_cancel_reason_known",
            ),
        ),
    ]
