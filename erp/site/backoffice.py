"""The back office: one admin site for every app, and the pages of its acts."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm as Accounts
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from erp.kernel.models import User


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    """For people: machine accounts act through keys and commands."""

    def confirm_login_allowed(self, user: Any) -> None:
        # The admin's own form would ask for a staff flag: here roles say what a person may do.
        Accounts.confirm_login_allowed(self, user)
        if user.kind != User.Kind.PERSON:
            raise ValidationError(_("This is a machine account; only people sign in here."), code="machine")


class BackOffice(UnfoldAdminSite):  # type: ignore[misc]
    index_title = _("Home")
    login_form = SignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Every active person may come in; what they find depends on their roles."""
        user: Any = request.user
        return bool(user.is_active and user.kind == User.Kind.PERSON)

    def index(self, request: HttpRequest, extra_context: Any = None) -> Any:
        from erp.site import home

        return super().index(request, {**home.context(request), **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        from erp.bulk import views as bulk
        from erp.printing import views as printing
        from erp.reports import views as reports
        from erp.site import dispatching, files, language, refunding, savedviews, statements, views

        view = self.admin_view(views.act)
        return [
            path("acts/<slug:name>/", view, name="act"),
            path("acts/<slug:name>/<str:pk>/", view, name="act"),
            path("bulk/", self.admin_view(bulk.runs), name="bulk_runs"),
            path("bulk/<int:pk>/", self.admin_view(bulk.run), name="bulk_run"),
            path("bulk/<int:pk>/progress/", self.admin_view(bulk.progress), name="bulk_progress"),
            path("bulk/<int:pk>/result.csv", self.admin_view(bulk.result), name="bulk_result"),
            path("reports/", self.admin_view(reports.index), name="reports"),
            path("reports/<slug:name>/", self.admin_view(reports.report), name="report"),
            path("reports/<slug:name>.<str:kind>", self.admin_view(reports.export), name="report_file"),
            path("statements/", self.admin_view(statements.new), name="statement"),
            path("files/<uuid:pk>/", self.admin_view(files.download), name="file"),
            path("files/<uuid:pk>/wrong/", self.admin_view(files.wrong), name="file_wrong"),
            path("files/<slug:document>/<int:pk>/", self.admin_view(files.add), name="file_add"),
            path("dispatch/", self.admin_view(dispatching.dispatch), name="dispatch"),
            path("refunds/", self.admin_view(refunding.queue), name="refunds"),
            path("print/<slug:name>/<str:keys>/", self.admin_view(printing.paper), name="print"),
            path("print/<slug:name>/<str:keys>/pdf/", self.admin_view(printing.as_pdf), name="print-pdf"),
            path("views/", self.admin_view(savedviews.save), name="saved_view"),
            path("views/<int:pk>/delete/", self.admin_view(savedviews.delete), name="saved_view_delete"),
            path("language/", self.admin_view(language.switch), name="language"),
            *super().get_urls(),
        ]
