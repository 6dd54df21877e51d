"""
The texts of the product: what the sources ask to be translated, and the catalog that answers.

``python -m tests.project.catalog`` writes the catalog anew from the sources, keeps what is translated,
and compiles it. Texts that are new have an empty ``msgstr`` afterwards, and a test says so.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import django
import import_export
import polib
import simple_history
import unfold
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
APPS = ("erp", "orders", "finance", "inventory", "logistics")
PO = ROOT / "erp" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
MO = PO.with_suffix(".mo")

# Texts that packages leave in English, or say in other words than the rest of the product.
BORROWED = {
    "simple_history": [
        "Deleted %(type_name)s",
        "View history: %s",
        "Change history: %s",
    ],
    "django.contrib.auth": [
        "Authentication and Authorization",
        "group",
        "groups",
        "The groups this user belongs to. A user will get all permissions granted to each of their groups.",
        "superuser status",
        "email address",
        "last login",
        "date joined",
        "Please enter a correct %(username)s and password. Note that both fields may be case-sensitive.",
        "This account is inactive.",
        "Password changed successfully.",
    ],
    "django.contrib.admin": [
        "Error:",
        "Forgotten your login credentials?",
        "Model name",
        "Add link",
        "Change or view list link",
        "After you’ve created a user, you’ll be able to edit more user options.",
        "Log out",
        "Thanks for spending some quality time with the web site today.",
        "Select %s to change",
        "Select %s to view",
        "Add",
        "Recent actions",
        "My actions",
        "None available",
        "Models in the %(name)s application",
        "Add %s",
        "Change %s",
        "View %s",
        "Add %(name)s",
        "The {name} “{obj}” was added successfully.",
        "The {name} “{obj}” was added successfully. You may add another {name} below.",
        "The {name} “{obj}” was changed successfully.",
        "The {name} “{obj}” was changed successfully. You may edit it again below.",
        "The {name} “{obj}” was changed successfully. You may add another {name} below.",
        "The %(name)s “%(obj)s” was deleted successfully.",
    ],
}

# Parts of the theme for packages that are not installed.
_UNUSED = frozenset({"constance", "guardian", "location_field", "unfold_crispy", "crispy"})

# What the leading arguments of each function are; its _lazy and _noop forms take the same.
ARGUMENTS = {
    "gettext": ("msgid",),
    "ngettext": ("msgid", "plural"),
    "pgettext": ("context", "msgid"),
    "npgettext": ("context", "msgid", "plural"),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}")


class Message(NamedTuple):
    """A text to be translated, and where it stands."""

    msgid: str
    context: str | None = None
    plural: str | None = None
    where: str = ""

    @property
    def key(self) -> tuple[str | None, str]:
        return self.context, self.msgid


def python_files() -> list[Path]:
    """Our sources, without what migrations have copied."""
    found = [path for folder in APPS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


def templates() -> list[Path]:
    return sorted(path for app in APPS for path in (ROOT / app).rglob("templates/**/*") if path.is_file())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def messages() -> list[Message]:
    """Every text the sources ask for, in their order; one that is asked for twice comes twice."""
    found = [message for path in python_files() for message in in_python(path)]
    found += [message for path in templates() for message in in_template(path)]
    found += [Message(text, where=package) for package, texts in BORROWED.items() for text in texts]
    return found + list(of_the_theme())


def of_the_theme() -> Iterator[Message]:
    """What the theme says and no package says in Chinese: it brings no catalog of its own."""
    folder = Path(unfold.__file__).parent
    spoken = {(entry.msgctxt, entry.msgid) for path in _other_catalogs() for entry in polib.mofile(str(path))}
    for path in sorted(folder.rglob("*")):
        if not any(part in _UNUSED for part in path.relative_to(folder).parts):
            read = {".py": in_python, ".html": in_template}.get(path.suffix)
            found = read(path, "unfold") if read else ()
            yield from (
                message for message in found if message.key not in spoken and re.search("[A-Za-z]", message.msgid)
            )


def _other_catalogs() -> Iterator[Path]:
    for package in (django, import_export, simple_history):
        yield from Path(package.__file__).parent.rglob("locale/zh_Hans/LC_MESSAGES/django.mo")


def in_python(path: Path, where: str = "") -> Iterator[Message]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = translating_names(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if call.func.id in names:  # type: ignore[attr-defined]
            yield _message(names[call.func.id], call, where or name_of(path))  # type: ignore[attr-defined]


def in_template(path: Path, where: str = "") -> Iterator[Message]:
    """Through Django's own reading of templates, which leaves calls among blanked-out text."""
    text = templatize(path.read_text(encoding="utf-8"))
    for match in re.finditer(r"\b(_|n?p?gettext)\((?=u?['\"])", text):
        name = "gettext" if match[1] == "_" else match[1]
        yield _message(name, _call_at(text[match.start() :]), where or name_of(path))


def translating_names(tree: ast.AST) -> dict[str, str]:
    """What a module calls the functions it imports for translating: {"_": "gettext"}."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            for alias in node.names:
                function = re.sub("_(lazy|noop)$", "", alias.name)
                if function in ARGUMENTS:
                    names[alias.asname or alias.name] = function
    return names


def placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text.replace("%%", "")))


def catalog() -> polib.POFile:
    return polib.pofile(str(PO), wrapwidth=100)


def write() -> list[str]:
    """Write and compile the catalog; returns the texts it has no translation for."""
    known = {(entry.msgctxt, entry.msgid): entry for entry in catalog()} if PO.exists() else {}
    fresh: dict[tuple[str | None, str], polib.POEntry] = {}
    for message in messages():
        entry = fresh.setdefault(message.key, _entry(message, known.get(message.key)))
        if (message.where, "") not in entry.occurrences:
            entry.occurrences.append((message.where, ""))
    po = polib.POFile(wrapwidth=100)
    po.metadata = {
        "Language": "zh_Hans",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": "nplurals=1; plural=0;",
    }
    po.extend(fresh.values())
    PO.parent.mkdir(parents=True, exist_ok=True)
    po.save(str(PO))
    MO.write_bytes(catalog().to_binary())
    return [entry.msgid for entry in po if not entry.translated()]


def _entry(message: Message, old: polib.POEntry | None) -> polib.POEntry:
    entry = polib.POEntry(msgid=message.msgid, msgctxt=message.context)
    if message.plural is None:
        entry.msgstr = old.msgstr if old else ""
    else:
        entry.msgid_plural = message.plural
        entry.msgstr_plural = {0: old.msgstr_plural.get(0, "") if old else ""}
    if "%" in message.msgid and placeholders(message.msgid):
        entry.flags.append("python-format")
    return entry


def _message(function: str, call: ast.Call, where: str) -> Message:
    texts = {}
    for name, argument in zip(ARGUMENTS[function], call.args, strict=False):
        assert isinstance(argument, ast.Constant), f"{where}: a value, not a text, is to be translated"
        texts[name] = argument.value
    return Message(where=where, **texts)


def _call_at(text: str) -> ast.Call:
    """The call a text begins with."""
    for end in re.finditer(r"\)", text):
        try:
            call = ast.parse(text[: end.end()], mode="eval").body
        except SyntaxError:
            continue
        assert isinstance(call, ast.Call)
        return call
    raise AssertionError(f"no call: {text[:80]}")


if __name__ == "__main__":
    sys.stdout.writelines(f"{untranslated}\n" for untranslated in write())
