"""Take over products from a file."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.management.csvfile import ImportCommand, Row, Table
from orders.services.products import ProductDraft, import_products


class NotYesOrNo(DomainError):
    code = "erp.not_yes_or_no"
    message = gettext_lazy("“%(value)s” is neither yes nor no for %(name)s. Write yes or no.")


_YES_OR_NO = {
    **dict.fromkeys(("yes", "true", "1", "是"), True),
    **dict.fromkeys(("no", "false", "0", "否"), False),
}


class Command(ImportCommand):
    help = (
        "Add the products of FILE, and change those already there where they differ. Prices include tax; the tax "
        "rate is 0.13 for 13 %; stocked is yes or no. One bad row, and nothing is imported."
    )
    columns = ("sku", "name", "unit", "price", "currency", "tax_rate", "stocked")

    def load(self, table: Table, decision: Decision, **options: Any) -> str:
        drafts = list(self.drafts(table, _draft))
        try:
            done = import_products([draft for _row, draft in drafts], decision=decision)
        except DomainError as error:
            table.problems.refuse(error, [row for row, _draft in drafts])
            return ""
        return _("Products: %(added)s added, %(changed)s changed, %(unchanged)s unchanged.") % {
            "added": len(done.added),
            "changed": len(done.changed),
            "unchanged": done.unchanged,
        }


def _draft(row: Row) -> ProductDraft:
    return ProductDraft(
        sku=row["sku"],
        name=row["name"],
        unit=row["unit"],
        price=row.number("price"),
        currency=row["currency"],
        tax_rate=row.number("tax_rate"),
        stocked=_yes(row, "stocked"),
    )


def _yes(row: Row, column: str) -> bool:
    try:
        return _YES_OR_NO[row[column].lower()]
    except KeyError:
        raise NotYesOrNo(value=row[column][:20], name=column) from None
