"""What we send: the app and its roles."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OutboxConfig(AppConfig):
    name = "outbox"
    verbose_name = _("messages")
    default_auto_field = "django.db.models.BigAutoField"
    role_permissions = {
        "Front desk": ["outbox.view_message", "outbox.change_message"],
        "Manager": ["outbox.view_message"],
    }

    def ready(self) -> None:
        from clinic.registry import register_panel
        from outbox import panels

        register_panel(panels.DASHBOARD)
        register_panel(panels.MINE)
