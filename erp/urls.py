"""Addresses."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from erp.site import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
