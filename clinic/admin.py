"""The admin site: one for all apps."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _


class ClinicAdminSite(admin.AdminSite):
    """The staff site, in the clinic's look."""

    site_header = _("Staff")
    site_title = _("Staff")
    index_title = _("Today")
    enable_nav_sidebar = False


site = admin.site
