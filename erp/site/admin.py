"""What shows several apps' facts in one page of the back office."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from erp.kernel.acting import Decision
from erp.kernel.models import User
from erp.site import orderpage, statements
from finance import matching
from finance.admin import StatementAdmin
from finance.models import Statement
from orders.admin import OrderAdmin
from orders.models import Order


@admin.register(Order)
class OrderPage(OrderAdmin):
    """The order with every app's documents of it, and the acts that are next."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        user = request.user
        assert isinstance(user, User)
        context.update(orderpage.context(obj, user, Decision(by=user, at=timezone.now())))
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(Statement)
class StatementPage(StatementAdmin):
    """A bank statement beside the payments of every order it names, as they are now."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        user = request.user
        assert isinstance(user, User)
        examined = matching.examine_statement(obj, user)
        context |= {"groups": statements.groups(examined), "useful": statements.useful(examined)}
        return super().render_change_form(request, context, add, change, form_url, obj)
