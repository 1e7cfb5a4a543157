"""Learn: the app, its roles, its records."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

READ = [
    "education.view_article",
    "education.view_articlerevision",
    "education.view_articlereview",
    "education.view_picture",
]


class EducationConfig(AppConfig):
    name = "education"
    verbose_name = _("articles")
    default_auto_field = "django.db.models.BigAutoField"
    role_permissions = {
        "Content editor": [
            *READ,
            "education.add_article",
            "education.change_article",
            "education.publish_article",
            "education.add_picture",
            "education.delete_picture",
        ],
        "Clinician": [*READ, "education.review_article"],
        "Lead clinician": [*READ, "education.review_article", "education.publish_article"],
    }
    append_only_tables = [
        "education_articlerevision",
        "education_source",
        "education_reviewrequest",
        "education_articlereview",
        "education_publication",
    ]

    def ready(self) -> None:
        from clinic.registry import register_panel
        from education import panels

        register_panel(panels.DASHBOARD)
        register_panel(panels.OPENING)
        register_panel(panels.HOME)
