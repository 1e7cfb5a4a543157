"""What `manage.py check --deploy` says about this site beside Django's own checks."""

import os
from urllib.parse import urlsplit

from django.core.checks import Tags, Warning, register


@register(Tags.security, deploy=True)
def two_database_roles(app_configs, **kwargs) -> list[Warning]:
    """The site should speak to the database as a role that owns nothing (docs/adr/0002). The embedded one has both."""
    web, owner = (os.environ.get(name, "").strip() for name in ("DATABASE_URL", "DATABASE_OWNER_URL"))
    if not web or (owner and urlsplit(web).username != urlsplit(owner).username):
        return []
    return [
        Warning(
            "The site speaks to the database as the owner of its tables.",
            hint="Give DATABASE_URL a role that owns nothing and DATABASE_OWNER_URL the owner: see docs/deploy.md.",
            id="clinic.W001",
        )
    ]
