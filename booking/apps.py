"""When: the app, its roles, its records."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BookingConfig(AppConfig):
    name = "booking"
    verbose_name = _("appointments")
    default_auto_field = "django.db.models.BigAutoField"
    role_permissions = {
        "Front desk": [
            "booking.view_appointment",
            "booking.run_desk",
            "booking.view_workinghours",
            "booking.view_timeoff",
            "booking.view_closure",
        ],
        "Practitioner": ["booking.view_appointment", "booking.check_in"],
        "Clinician": ["booking.view_appointment"],
        "Lead clinician": ["booking.view_appointment"],
        "Manager": [
            "booking.view_appointment",
            "booking.enter_in_error",
            *(
                f"booking.{verb}_{noun}"
                for noun in ("workinghours", "timeoff", "closure")
                for verb in ("view", "add", "change", "delete")
            ),
        ],
    }
    append_only_tables = ["booking_appointmentevent"]

    def ready(self) -> None:
        from booking import panels
        from booking.following import consultations_of, follow_clearance, follow_grounds, patients_of, visits_to_come
        from booking.hours_admin import HitsAppointments
        from booking.past import why_untrue
        from clinic.registry import (
            register_grounds,
            register_panel,
            register_says_hits,
            register_seen,
            register_to_come,
            register_treats,
        )
        from outbox.messages import register_untrue
        from screening.clearance import clearance_changed

        clearance_changed.connect(follow_clearance, dispatch_uid="booking.following.follow_clearance")
        register_treats(patients_of)
        register_seen(consultations_of)
        register_grounds(follow_grounds)
        register_to_come(visits_to_come)
        register_says_hits(HitsAppointments.saying_hits)
        register_untrue(why_untrue)
        for panel in (panels.MINE, panels.NOBODY_YET, panels.DESK, panels.MY_DAY, panels.FIGURES, panels.OPENING):
            register_panel(panel)
        register_panel(panels.VISITS_OF)
        register_panel(panels.USUAL_HOURS)
