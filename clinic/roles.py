"""After every migrate (and flush): the six roles with their permissions, the areas of the body, the web role's rights.

In a migration the permissions do not exist yet, and a flush would delete the groups; so it is done here, idempotently.
"""

from django.apps import apps
from django.conf import settings
from django.db import connections

from clinic.apps import ROLES, append_only_tables

# What a role may do is written here and nowhere else: the site only gives roles to people (I7). Nor does it touch the
# parts of the body: with two codes exchanged, a yes to the face would be one to the eyelid.
ROLE_TABLES = [
    "clinic_area",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
]


def after_migrate(sender, using, **kwargs) -> None:
    """Runs once a migrate, after the last app, when every permission has been made."""
    last = [config for config in apps.get_app_configs() if config.models_module][-1]
    if sender is not last:
        return
    tables = connections[using].introspection.table_names()
    if "clinic_area" not in tables or "booking_appointment" not in tables:
        return  # migrated back, or only partly forward
    set_areas(using)
    set_roles(using)
    close_functions(using)
    set_rights(using)


def set_areas(using: str) -> None:
    """The fixed parts of the body."""
    from clinic.models import Area

    Area.objects.using(using).bulk_create([Area(code=code) for code in Area.CODES], ignore_conflicts=True)


def set_roles(using: str) -> None:
    """The six groups, with exactly the permissions that the apps declare."""
    from django.contrib.auth.models import Group, Permission

    wanted: dict[str, set[str]] = {role: set() for role in ROLES}
    for config in apps.get_app_configs():
        for role, permissions in getattr(config, "role_permissions", {}).items():
            wanted[role].update(permissions)
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.using(using).values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    for role, permissions in wanted.items():
        missing = permissions - known.keys()
        if missing:
            raise LookupError(f"The role {role} asks for permissions that do not exist: {', '.join(sorted(missing))}")
        group, _made = Group.objects.using(using).get_or_create(name=role)
        group.permissions.set([known[permission] for permission in permissions])


def close_functions(using: str) -> None:
    """The functions of the walls look up names in our schema before anywhere else.

    PostgreSQL looks among temporary tables first, and the web role may make one: with a `clinic_treatment` of its own
    every treatment would have been a consultation. Again after each migrate, because replacing a function forgets it.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p"
            " WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'"
            " AND pg_has_role(p.proowner, 'USAGE')"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        )
        for (function,) in cursor.fetchall():
            cursor.execute(f"ALTER FUNCTION {function} SET search_path = public, pg_temp")


def set_rights(using: str) -> None:
    """What the web role may do: everything but own, and only insert and read where records are kept for good."""
    role = settings.DATABASE_WEB_ROLE
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user", [role])
        if not cursor.fetchone():
            return  # one role does both; `check --deploy` warns
        name = connection.ops.quote_name(role)
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}")
        for table in ROLE_TABLES:
            cursor.execute(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {name}")
        for table in append_only_tables():
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {connection.ops.quote_name(table)} FROM {name}")
        # Within a request pghistory says the context of its changes again (ON CONFLICT DO UPDATE of these two).
        cursor.execute(f"GRANT UPDATE (metadata, updated_at) ON pghistory_context TO {name}")
        # The admin's log takes the name of a patient out of its own line (`without_name`), and Django deletes the lines
        # of an account that goes because nobody proved it.
        cursor.execute(f"REVOKE UPDATE, TRUNCATE ON django_admin_log FROM {name}")
        cursor.execute(f"GRANT UPDATE (object_repr) ON django_admin_log TO {name}")
