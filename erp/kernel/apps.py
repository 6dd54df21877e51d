"""The kernel's application: what must be there before any app writes a row."""

import gc
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class KernelConfig(AppConfig):
    name = "erp.kernel"
    label = "kernel"
    verbose_name = _("Users and system")

    def ready(self) -> None:
        from erp.kernel import checks, triggers  # noqa: F401  (checks register themselves)

        # A batch makes hundreds of thousands of objects and no cycles; by default, looking for some took
        # a fifth of its time.
        gc.set_threshold(50_000)

        connection_created.connect(_raise_parameter_limit, dispatch_uid="kernel.parameters")
        pre_migrate.connect(triggers.drop_on_sqlite, sender=self, dispatch_uid="kernel.triggers")
        post_migrate.connect(triggers.create, sender=self, dispatch_uid="kernel.triggers")
        post_migrate.connect(_create_system_user, sender=self, dispatch_uid="kernel.system")
        # Under the name of Django's own receiver, which would save the account: that one finds its place taken.
        user_logged_in.connect(_stamp_last_login, dispatch_uid="update_last_login")


def _raise_parameter_limit(connection: Any, **kwargs: Any) -> None:
    """Django assumes 999 parameters on SQLite, which would cut every set-wise write into pieces."""
    if connection.vendor == "sqlite":
        import sqlite3

        limit = connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        connection.features.max_query_params = limit


def _create_system_user(**kwargs: Any) -> None:
    from django.db import connection

    from erp.kernel.models import SYSTEM, User

    if User._meta.db_table not in connection.introspection.table_names():
        return
    if not User.objects.filter(username=SYSTEM).exists():
        user = User(username=SYSTEM, name="系统", kind=User.Kind.MACHINE)
        user.set_unusable_password()
        user.save()


def _stamp_last_login(sender: Any, user: Any, **kwargs: Any) -> None:
    """Signing in is no change of the account: no history row, and nobody has to be acting."""
    from django.utils import timezone

    from erp.kernel import setwise

    user.last_login = timezone.now()
    setwise.stamp(user, last_login=user.last_login)
