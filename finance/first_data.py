"""The chart of accounts, made where it is absent."""

from django.db import connection
from django.utils import timezone

from erp.kernel import setwise
from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import system
from finance.accounts import CHART
from finance.models import Account


def create() -> None:
    tables = set(connection.introspection.table_names())
    if not {Account._meta.db_table, Account.history.model._meta.db_table} <= tables:
        return
    present = set(Account.objects.values_list("code", flat=True))
    absent = [Account(code=code, name=name, name_en=english) for code, name, english in CHART if code not in present]
    if absent:
        with acting(Decision(by=system(), at=timezone.now(), channel=Channel.COMMAND)):
            setwise.insert(absent)
