from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class FinanceConfig(AppConfig):
    name = "finance"
    verbose_name = _("Finance")

    def ready(self) -> None:
        from finance import invariants  # noqa: F401  (registers itself)

        post_migrate.connect(_first_data, sender=self, dispatch_uid="finance.first_data")


def _first_data(**kwargs: Any) -> None:
    from finance import first_data

    first_data.create()
