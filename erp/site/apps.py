from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SiteConfig(AppConfig):
    name = "erp.site"
    label = "site"
    verbose_name = _("Back office")
    default = True

    def ready(self) -> None:
        post_migrate.connect(_roles, sender=self, dispatch_uid="site.roles")


class BackOfficeConfig(admin.AdminConfig):
    """Django's admin with our site as the default one."""

    default = False
    default_site = "erp.site.backoffice.BackOffice"


def _roles(**kwargs: Any) -> None:
    from erp.site import roles

    roles.create()
