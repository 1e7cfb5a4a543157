"""When: the app, its roles, its records."""

from django.apps import AppConfig


class BookingConfig(AppConfig):
    name = "booking"
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
        from booking.appointments import follow_clearance, patients_of
        from clinic.registry import Panel, register_panel, register_treats
        from screening.clearance import clearance_changed

        clearance_changed.connect(follow_clearance, dispatch_uid="booking.appointments.follow_clearance")
        register_treats(patients_of)
        register_panel(Panel("my", 10, "booking/my_appointments.html", my_appointments))


def my_appointments(request, now):
    """The patient's panel of /my/; the pages are imported when somebody asks for one."""
    from booking import views

    return views.my_appointments(request, now)
