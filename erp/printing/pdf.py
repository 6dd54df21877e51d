"""
Papers as PDF, where the machine has what that needs: the package WeasyPrint, Debian's pango, a Chinese font.

Nothing is fetched: a paper brings its style sheet along and names no other address.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from typing import Any

from django.contrib.staticfiles import finders
from django.utils.translation import gettext_lazy as _

from erp.kernel.errors import DomainError

# What WeasyPrint loads, by the package of Debian that brings it.
_LIBRARIES = {
    "libpango-1.0-0": "libpango-1.0.so.0",
    "libpangoft2-1.0-0": "libpangoft2-1.0.so.0",
    "libharfbuzz-subset0": "libharfbuzz-subset.so.0",
    "libfontconfig1": "libfontconfig.so.1",
}
_FONT = "fonts-wqy-microhei"


class PdfLacks(DomainError):
    code = "printing.pdf_lacks"
    message = _("PDF is not available on this server: %(package)s is missing. Print from the browser instead.")


@cache
def lacking() -> str:
    """The first missing package; empty where nothing is."""
    if find_spec("weasyprint") is None:
        return "weasyprint"
    missing = (package for package, library in _LIBRARIES.items() if not _loads(library))
    return next(missing, "") or ("" if _has_chinese_font() else _FONT)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


class _FontSet(ctypes.Structure):
    _fields_ = [("nfont", ctypes.c_int), ("sfont", ctypes.c_int), ("fonts", ctypes.c_void_p)]


def _has_chinese_font() -> bool:
    fontconfig = ctypes.CDLL(_LIBRARIES["libfontconfig1"])
    fontconfig.FcNameParse.restype = fontconfig.FcObjectSetCreate.restype = ctypes.c_void_p
    fontconfig.FcNameParse.argtypes = [ctypes.c_char_p]
    fontconfig.FcFontList.restype = ctypes.POINTER(_FontSet)
    fontconfig.FcFontList.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    found = fontconfig.FcFontList(None, fontconfig.FcNameParse(b":lang=zh-cn"), fontconfig.FcObjectSetCreate())
    return bool(found and found.contents.nfont > 0)


def render(page: str) -> bytes:
    """:raises PdfLacks: a package is missing here."""
    if package := lacking():
        raise PdfLacks(package=package)
    from weasyprint import CSS, HTML

    style = CSS(filename=finders.find("erp/print.css"), url_fetcher=_refuse)
    written: bytes = HTML(string=page, url_fetcher=_refuse).write_pdf(stylesheets=[style])
    return written


def _refuse(url: str, *args: Any, **kwargs: Any) -> Any:
    raise ValueError(url)
