"""For whoever watches the server: alive, and fit to serve."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from erp.kernel import triggers


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"state": "alive"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers, is migrated, and has every trigger that keeps records unchangeable."""
    try:
        executor = MigrationExecutor(connection)
        pending = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        absent = [] if pending else triggers.absent()
    except DatabaseError:
        return JsonResponse({"state": "database unreachable"}, status=503)
    if pending:
        return JsonResponse({"state": "migrations pending"}, status=503)
    if absent:
        return JsonResponse({"state": "triggers absent", "triggers": absent}, status=503)
    return JsonResponse({"state": "ready"})
