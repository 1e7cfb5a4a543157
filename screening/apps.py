"""Is it right for this patient: the app, its roles, its records."""

from django.apps import AppConfig


class ScreeningConfig(AppConfig):
    name = "screening"
    default_auto_field = "django.db.models.BigAutoField"
    role_permissions = {
        "Practitioner": ["screening.view_own_patients_answers"],
        "Clinician": [
            "screening.view_answers",
            "screening.decide",
            "screening.decide_second",
            "screening.view_questionnaire",
            "screening.propose_questionnaire",
            "screening.view_reviewrequest",
        ],
        "Lead clinician": [
            "screening.view_answers",
            "screening.decide",
            "screening.decide_second",
            "screening.decide_o2",
            "screening.view_questionnaire",
            "screening.propose_questionnaire",
            "screening.publish_questionnaire",
            "screening.view_reviewrequest",
        ],
    }
    append_only_tables = ["screening_assessment", "screening_review", "screening_cosignature", "screening_reply"]

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in
        from django.utils import timezone

        from clinic.registry import register_headings, register_linked, register_panel
        from screening import adopting, panels, results

        def signed_in(sender, request, user, **kwargs) -> None:
            adopting.adopt_from_browser(request, user, now=timezone.now())

        register_linked(adopting.adopt_from_browser)
        register_headings(results.headings_needed_on)
        user_logged_in.connect(signed_in, dispatch_uid="screening-answers-come-along", weak=False)
        for panel in (panels.WHO_WAITS, panels.OPENING, panels.MINE):
            register_panel(panel)
