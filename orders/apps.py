from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from orders import checks, first_data, invariants  # noqa: F401  (they register themselves)

        post_migrate.connect(_first_data, sender=self, dispatch_uid="orders.first_data")


def _first_data(**kwargs: Any) -> None:
    from orders import first_data

    first_data.create()
