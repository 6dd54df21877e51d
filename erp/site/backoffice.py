"""The back office: one admin site for every app, and the pages of its acts."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _

from erp.kernel.models import User


class SignInForm(AuthenticationForm):
    """For people: machine accounts act through keys and commands."""

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if user.kind != User.Kind.PERSON:
            raise ValidationError(_("This is a machine account; only people sign in here."), code="machine")


class BackOffice(AdminSite):
    site_title = _("ERP")
    site_header = _("ERP back office")
    index_title = _("Back office")
    site_url = None
    # The lists need the width; the way to them is in the header and on the first page.
    enable_nav_sidebar = False
    login_form = SignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Every active person may come in; what they find depends on their roles."""
        user: Any = request.user
        return bool(user.is_active and user.kind == User.Kind.PERSON)

    def get_urls(self) -> list[Any]:
        from erp.site import views

        view = self.admin_view(views.act)
        return [
            path("acts/<slug:name>/", view, name="act"),
            path("acts/<slug:name>/<str:pk>/", view, name="act"),
            *super().get_urls(),
        ]
