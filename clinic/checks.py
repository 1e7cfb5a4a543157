"""What `manage.py check --deploy` says about this site beside Django's own checks."""

import os

from django.core.checks import Tags, Warning, register


@register(Tags.security, deploy=True)
def two_database_roles(app_configs, **kwargs) -> list[Warning]:
    """The site should speak to the database as a role that owns nothing (docs/adr/0002)."""
    web, owner = (os.environ.get(name, "").strip() for name in ("DATABASE_URL", "DATABASE_OWNER_URL"))
    if web and owner and web != owner:
        return []
    return [
        Warning(
            "The site speaks to the database as the owner of its tables.",
            hint="Give DATABASE_URL a role that owns nothing and DATABASE_OWNER_URL the owner: see docs/deploy.md.",
            id="clinic.W001",
        )
    ]
