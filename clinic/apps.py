"""The project package as an app, and the roles that every app declares for its own models."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.core.validators import MaxLengthValidator, ProhibitNullCharactersValidator
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

ROLES = ["Front desk", "Practitioner", "Clinician", "Lead clinician", "Content editor", "Manager"]


class ClinicConfig(AppConfig):
    name = "clinic"
    default_auto_field = "django.db.models.BigAutoField"
    append_only_tables = ["pghistory_context"]
    role_permissions = {
        "Front desk": [
            "clinic.view_patient",
            "clinic.add_patient",
            "clinic.change_patient",
            "clinic.view_callback",
            "clinic.change_callback",
            "clinic.view_practitioner",
            "clinic.view_location",
            "clinic.view_room",
            "clinic.view_treatment",
        ],
        "Practitioner": ["clinic.view_patient", "clinic.view_treatment"],
        "Clinician": ["clinic.view_patient", "clinic.view_treatment"],
        # Lead clinicians give the clinical roles (clinic/admin.py), managers the others.
        "Lead clinician": ["clinic.view_patient", "clinic.view_treatment", "clinic.view_user", "clinic.change_user"],
        "Content editor": [],
        "Manager": [
            *(
                f"clinic.{verb}_{noun}"
                for noun in ("practitioner", "location", "room", "treatment", "treatmentprice", "user")
                for verb in ("view", "add", "change")
            ),
            "clinic.delete_treatmentprice",
            "clinic.view_area",
            "clinic.view_clinic",
            "clinic.change_clinic",
            "clinic.view_patient",
            "clinic.view_callback",
        ],
    }

    def ready(self) -> None:
        from allauth.mfa.signals import authenticator_added

        from clinic import accounts, checks, panels, roles  # noqa: F401 -- the checks register themselves
        from clinic.registry import register_panel

        # Every text field of a form has these checks; "null characters" says nothing to whoever pasted one.
        MaxLengthValidator.message = ngettext_lazy(
            "Please write at most %(limit_value)d character.",
            "Please write at most %(limit_value)d characters.",
            "limit_value",
        )
        ProhibitNullCharactersValidator.message = _("Please write this again: it holds a sign that we cannot keep.")
        post_migrate.connect(roles.after_migrate, dispatch_uid="clinic.roles.after_migrate")
        register_panel(panels.OPENING)
        register_panel(panels.CALL_BACKS)
        authenticator_added.connect(accounts.note_second_factor, dispatch_uid="clinic.accounts.note_second_factor")


class ClinicAdminConfig(AdminConfig):
    """django.contrib.admin with the clinic's own site as the default."""

    default_site = "clinic.site.ClinicAdminSite"


def append_only_tables() -> list[str]:
    """Tables in which the web role may insert and read, and nothing else: every app lists its own."""
    return [table for config in apps.get_app_configs() for table in getattr(config, "append_only_tables", [])]


def roles_with(permission: str) -> list[str]:
    """The roles that any app gives this permission to, in the order of ROLES."""
    given = [getattr(config, "role_permissions", {}) for config in apps.get_app_configs()]
    return [role for role in ROLES if any(permission in roles.get(role, ()) for roles in given)]
