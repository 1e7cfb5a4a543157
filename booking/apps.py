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
        from booking.desk import why_untrue
        from booking.following import follow_clearance, last_consultation, patients_of, visits_to_come
        from clinic.registry import (
            Panel,
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
        register_seen(last_consultation)
        register_to_come(visits_to_come)
        register_says_hits(saying_hits)
        register_untrue(why_untrue)
        register_panel(Panel("my", 10, "booking/my_appointments.html", my_appointments))
        register_panel(Panel("dashboard", 1, "admin/booking/panels/nobody_yet.html", nobody_yet))
        register_panel(Panel("dashboard", 10, "admin/booking/panels/desk.html", desk_today, "booking.run_desk"))
        register_panel(Panel("dashboard", 11, "admin/booking/panels/my_day.html", own_day, "booking.check_in"))
        register_panel(Panel("opening", 20, "admin/booking/panels/opening.html", opening))


def my_appointments(request, now):
    """The patient's panel of /my/; the pages are imported when somebody asks for one."""
    from booking import appointment_pages

    return appointment_pages.my_appointments(request, now)


def nobody_yet(request, now):
    """Shown to everybody until the first visit: a new clinic begins with what is missing."""
    from booking import panels

    return panels.nobody_yet(request, now)


def desk_today(request, now):
    """The front desk's panel of the first page."""
    from booking import panels

    return panels.desk_today(request, now)


def own_day(request, now):
    """A practitioner's panel of the first page."""
    from booking import panels

    return panels.own_day(request, now)


def opening(request, now):
    """What is missing before patients can book."""
    from booking import panels

    return panels.before_opening(request, now)


def saying_hits(request, view, *args):
    """What `view` answers, with a warning about the visits it hits."""
    from booking.hours_admin import HitsAppointments

    return HitsAppointments.saying_hits(request, view, *args)
