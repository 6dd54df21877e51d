"""The papers on offer beside a document."""

from typing import Any

from django import template

from erp.printing import papers
from erp.printing.papers import Paper

register = template.Library()


@register.simple_tag(takes_context=True)
def papers_of(context: template.Context, document: Any) -> list[Paper]:
    """None for what does not exist yet."""
    return papers.offered(document, context["request"].user) if document and document.pk else []


@register.filter
def print_url(paper: Paper, document: Any) -> str:
    return paper.url(document)
