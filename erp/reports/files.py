"""Answers as files. What people typed is never a formula there, whatever it begins with."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any
from xml.sax.saxutils import escape

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from erp.kernel.money import minor_units
from erp.reports.report import LIMIT, Answer, Kind

# What spreadsheets take for the beginning of a formula, full-width forms too, also behind blanks and quotes.
_FORMULA = re.compile(r"[\s\"'\u3000]*[=+\-@\t\r\x00＝＋－＠]")
# What XML cannot hold.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_DAY_ZERO = datetime(1899, 12, 30)


def table(answer: Answer, notes: Iterable[str], currency: str) -> Iterator[Sequence[Any]]:
    """Head, rows and totals; then, after an empty row, what has to be known of them."""
    yield [str(column.label) for column in answer.columns]
    kinds = [column.kind for column in answer.columns]
    for row in answer.rows:
        yield [_value(value, kind, currency) for value, kind in zip(row, kinds, strict=True)]
    if any(total is not None for total in answer.totals):
        yield [
            pgettext("report", "Total"),
            *(_value(*pair, currency) for pair in list(zip(answer.totals, kinds, strict=True))[1:]),
        ]
    yield []
    if answer.is_cut:
        yield [_("Only the first %(limit)s rows: there are more. Narrow the filters.") % {"limit": f"{LIMIT:,}"}]
    for note in notes:
        yield [note]


def _value(value: Any, kind: Kind, currency: str) -> Any:
    if value is None or value == "":
        return ""
    if kind == Kind.AMOUNT and currency:
        return round(value, minor_units(currency))
    if isinstance(value, datetime):
        return timezone.localtime(value).replace(tzinfo=None, microsecond=0)
    return value if isinstance(value, int | Decimal | date) else str(value)


def as_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """With a byte order mark, without which spreadsheets garble Chinese."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerows([[_typed(value) for value in row] for row in rows])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _typed(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return inert(value) if isinstance(value, str) else str(value)


def inert(text: str) -> str:
    """Text a spreadsheet shows as it is."""
    return _UNPRINTABLE.sub("", f"'{text}" if _FORMULA.match(text) else text)


_STYLES = (
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<fonts count="2"><font><sz val="11"/></font><font><b/><sz val="11"/></font></fonts>'
    '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="5"><xf/><xf fontId="1" applyFont="1"/><xf numFmtId="14" applyNumberFormat="1"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/><xf numFmtId="4" applyNumberFormat="1"/></cellXfs></styleSheet>'
)
_BOLD, _DAY, _MOMENT, _AMOUNT = 1, 2, 3, 4
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_RELATIONS}/styles" Target="styles.xml"/></Relationships>'
    ),
    "xl/styles.xml": _STYLES,
}


def as_xlsx(rows: Iterable[Sequence[Any]], title: str) -> bytes:
    """One sheet. Text is written as text, which no spreadsheet reads as a formula."""
    name = escape(re.sub(r"[\\/*?:\[\]]", " ", title)[:31], {'"': "&quot;"})
    book = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
        f'<sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for path, part in {**_PARTS, "xl/workbook.xml": book}.items():
            file.writestr(path, _HEAD + part)
        with file.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for no, row in enumerate(rows):
                sheet.write(f"<row>{''.join(_cell(value, is_head=no == 0) for value in row)}</row>".encode())
            sheet.write(b"</sheetData></worksheet>")
    return content.getvalue()


def _cell(value: Any, *, is_head: bool) -> str:
    match value:
        case datetime():
            return _number((value - _DAY_ZERO).total_seconds() / 86400, _MOMENT)
        case date():
            return _number((value - _DAY_ZERO.date()).days, _DAY)
        case Decimal():
            return _number(f"{value:f}", _AMOUNT)
        case int():
            return _number(value, 0)
    text = escape(_UNPRINTABLE.sub("", value))
    style = f' s="{_BOLD}"' if is_head else ""
    return f'<c t="inlineStr"{style}><is><t xml:space="preserve">{text}</t></is></c>'


def _number(value: object, style: int) -> str:
    return f'<c s="{style}"><v>{value}</v></c>'
