"""Every text a person reads is English in the sources and complete in Chinese."""

from __future__ import annotations

import ast
import html
import importlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import polib
import pytest
from django.apps import apps
from django.template.base import Lexer, TokenType
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext, ngettext, pgettext

from erp.kernel import invariants
from erp.kernel.errors import DomainError
from erp.kernel.texts import Listing, right
from orders import contract
from orders.contract import Check
from tests.project import catalog
from tests.project.catalog import ROOT, Message, name_of, placeholders

CHINESE = re.compile(r"[\u3400-\u9fff]")
LETTERS = re.compile(r"[A-Za-z\u3400-\u9fff]")
# Half-width punctuation beside a Chinese character or a value.
HALF_WIDTH = re.compile(r"[\u3400-\u9fff”)][,;:?!()]|[,;:?!()][\u3400-\u9fff“(]|\)s[,;?!]")
MESSAGES = catalog.messages()


@cache
def entries() -> dict[tuple[str | None, str], polib.POEntry]:
    return {(entry.msgctxt, entry.msgid): entry for entry in catalog.catalog()}


def chinese(entry: polib.POEntry) -> str:
    return str(entry.msgstr_plural[0] if entry.msgid_plural else entry.msgstr)


@cache
def modules() -> list[ModuleType]:
    """Every module of ours, imported."""
    names = [name_of(path).removesuffix(".py").replace("/", ".") for path in catalog.python_files()]
    return [importlib.import_module(name.removesuffix(".__init__")) for name in names]


def sources(*, without: Iterable[str] = ()) -> Iterator[tuple[Path, ast.AST]]:
    for path in catalog.python_files():
        if not any(part in path.parts for part in without):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


class TestCatalog:
    def test_it_holds_what_the_sources_ask_for_and_nothing_else(self) -> None:
        wanted = {message.key for message in MESSAGES}

        assert wanted - entries().keys() == set(), "run python -m tests.project.catalog and translate"
        assert entries().keys() - wanted == set(), "run python -m tests.project.catalog"

    def test_every_text_is_translated(self) -> None:
        assert [entry.msgid for entry in entries().values() if entry.fuzzy or not entry.translated()] == []

    def test_a_text_that_is_asked_for_alone_and_with_a_plural_has_both(self) -> None:
        plurals = {message.key: message.plural for message in MESSAGES if message.plural}

        assert {key: entry.msgid_plural for key, entry in entries().items() if entry.msgid_plural} == plurals
        assert [message for message in MESSAGES if message.key in plurals and not message.plural] == []

    def test_placeholders_are_the_same_in_both_languages(self) -> None:
        wrong = [
            entry.msgid
            for entry in entries().values()
            if placeholders(entry.msgid_plural or entry.msgid) != placeholders(chinese(entry))
        ]

        assert wrong == []

    def test_percent_signs_are_doubled_alike(self) -> None:
        """In a text with placeholders a lone one would break the formatting."""
        lone = re.compile(r"%(?!\(\w+\)[a-z]|%|[sd](?![a-z]))")
        texts = [(entry.msgid, chinese(entry)) for entry in entries().values() if "%(" in entry.msgid]

        assert [both for both in texts if any(lone.search(text.replace("%%", "")) for text in both)] == []

    def test_sources_are_english(self) -> None:
        assert [message for message in MESSAGES if CHINESE.search(message.msgid + (message.plural or ""))] == []

    def test_chinese_is_punctuated_as_chinese(self) -> None:
        assert {entry.msgid: chinese(entry) for entry in entries().values() if HALF_WIDTH.search(chinese(entry))} == {}

    def test_sentences_end_alike_in_both_languages(self) -> None:
        ends = {".": "。", "…": "…", ":": "："}
        wrong = [
            (message.msgid, text)
            for message in MESSAGES
            if (text := chinese(entries()[message.key])) and " " in message.msgid
            if text[-1] != ends.get(message.msgid.replace("...", "…")[-1], text[-1])
        ]

        assert wrong == []

    def test_nothing_is_praised_or_blamed(self) -> None:
        avoided = re.compile("成功|失败|非法|错误操作")

        assert [chinese(entry) for entry in entries().values() if avoided.search(chinese(entry))] == []

    def test_it_is_compiled(self) -> None:
        assert catalog.MO.read_bytes() == catalog.catalog().to_binary()

    def test_what_is_borrowed_is_still_in_the_packages(self) -> None:
        for package, texts in catalog.BORROWED.items():
            known = _texts_of(package)
            assert [text for text in texts if not any(text in other for other in known)] == []

    def test_ours_wins_over_the_packages(self) -> None:
        with translation.override("zh-hans"):
            for entry in entries().values():
                if entry.msgid_plural:
                    assert ngettext(entry.msgid, entry.msgid_plural, 2) == chinese(entry)
                elif entry.msgctxt:
                    assert pgettext(entry.msgctxt, entry.msgid) == chinese(entry)
                else:
                    assert gettext(entry.msgid) == chinese(entry)

    def test_english_needs_no_catalog(self) -> None:
        ours = [entry for entry in entries().values() if not entry.msgctxt and not entry.msgid_plural]
        with translation.override("en"):
            assert [entry.msgid for entry in ours if gettext(entry.msgid) != entry.msgid] == []


def _texts_of(package: str) -> list[str]:
    """Strings of a package's modules, and its templates."""
    folder = Path(str(importlib.import_module(package).__file__)).parent
    found = [
        re.sub(r"{{ *(\w+) *}}", r"%(\1)s", path.read_text(encoding="utf-8"))
        for path in folder.rglob("templates/**/*.html")
    ]
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return found


class TestExtraction:
    """What finds the texts is worth nothing if it overlooks some."""

    def test_python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(catalog, "ROOT", tmp_path)
        path = tmp_path / "some.py"
        path.write_text(
            "from django.utils.translation import gettext_lazy as _, ngettext, pgettext_lazy as word\n"
            "a = f(_('one ' 'long'), [ngettext('a row', 'rows', 3), word('order', 'New')])\n"
            "b = other('no text')\n"
        )

        assert list(catalog.in_python(path)) == [
            Message("one long", where="some.py"),
            Message("a row", plural="rows", where="some.py"),
            Message("New", context="order", where="some.py"),
        ]

    def test_templates(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(catalog, "ROOT", tmp_path)
        path = tmp_path / "some.html"
        path.write_text(
            "{% translate \"It's (one)\" %}{% translate 'New' context 'order' %}{{ x|default:_('none') }}"
            "{% blocktranslate count n=rows|length trimmed %}\n {{ n }} row\n"
            "{% plural %}{{ n }} rows{% endblocktranslate %}"
        )

        assert [message[:3] for message in catalog.in_template(path)] == [
            ("It's (one)", None, None),
            ("New", "order", None),
            ("none", None, None),
            ("%(n)s row", None, "%(n)s rows"),
        ]

    def test_what_bypasses_translation_is_seen(self) -> None:
        tree = ast.parse(
            "class Meta:\n    verbose_name = 'plain'\n    permissions = [('x', 'Can x')]\n"
            "class Kind(models.TextChoices):\n    A = 'a'\n    B = 'b', 'Bee'\n    C = 'c', _('Sea')\n"
            "name = models.CharField('plain', max_length=3, choices=[('a', 'Plain')])\n"
            "owner = models.ForeignKey('self', help_text=f'of {x}')\n"
            "raise ValidationError('plain')\n"
        )

        assert sorted(node.lineno for node in bypassing(tree)) == [2, 3, 5, 6, 8, 8, 9, 10]

    def test_what_a_template_says_untranslated_is_seen(self) -> None:
        source = (
            "{% load i18n %}<p class='x' title=\"Plain\">{% translate 'Yes' %} · {{ value }}</p>"
            "{# no #}<script>var x;</script>&nbsp;<b>Bare</b>{% blocktranslate %}Fine{% endblocktranslate %}"
            "{{ x|default:'none' }}<input type=submit value='{{ label }}'>"
        )

        assert untranslated(source) == ["Plain", "Bare", "none"]


class TestNothingBypassesTranslation:
    def test_in_modules(self) -> None:
        # Commands, system checks and settings speak to operators, in English as Django's own do.
        found = [
            f"{name_of(path)}:{node.lineno} {ast.unparse(node)}"
            for path, tree in sources(without=("management", "checks.py", "settings.py"))
            for node in bypassing(tree)
        ]

        assert found == []

    def test_in_templates(self) -> None:
        found = {name_of(path): untranslated(path.read_text(encoding="utf-8")) for path in catalog.templates()}

        assert {path: texts for path, texts in found.items() if texts} == {}

    def test_in_models(self) -> None:
        """A column without a name of its own would be shown under that of its attribute."""
        unnamed = [
            str(field)
            for model in _models()
            for field in model._meta.concrete_fields
            if field.editable and not field.primary_key and isinstance(field.verbose_name, str)
        ]

        assert unnamed == []


# Names under which a text is handed on to be shown.
_SHOWN = {
    "verbose_name",
    "verbose_name_plural",
    "help_text",
    "label",
    "message",
    "short_description",
    "empty_label",
    "site_title",
    "site_header",
    "index_title",
    "passed",
    "blocked",
    "hint",
    "role",
    "consequence",
}
# Calls that are handed a text to be shown, and at which place.
_SHOWING = {
    "ValidationError": 0,
    "PermissionDenied": 0,
    "Done": 0,
    "invariant": 1,
    "success": 1,
    "info": 1,
    "warning": 1,
    "error": 1,
}
_REFERRING = {"ForeignKey", "OneToOneField", "ManyToManyField"}


def bypassing(tree: ast.AST) -> Iterator[ast.expr]:
    """Texts in a module that are shown as they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from _in_class(node)
        elif isinstance(node, ast.Call):
            yield from _in_call(node)


def _in_class(node: ast.ClassDef) -> Iterator[ast.expr]:
    are_choices = any(ast.unparse(base).endswith("Choices") for base in node.bases)
    for statement in node.body:
        if not isinstance(statement, ast.Assign):
            continue
        target, value = ast.unparse(statement.targets[0]), statement.value
        if target in _SHOWN - {"label"} and _is_text(value):
            yield value
        elif target == "permissions":
            yield from _plain_labels(value)
        elif are_choices and (_is_text(value) or (isinstance(value, ast.Tuple) and _is_text(value.elts[-1]))):
            yield value


def _in_call(node: ast.Call) -> Iterator[ast.expr]:
    name = ast.unparse(node.func).rpartition(".")[2]
    for keyword in node.keywords:
        if keyword.arg in _SHOWN and _is_text(keyword.value):
            yield keyword.value
        elif keyword.arg == "choices":
            yield from _plain_labels(keyword.value)
    shown_at = 0 if name.endswith("Field") and name not in _REFERRING else _SHOWING.get(name)
    if shown_at is not None and len(node.args) > shown_at and _is_text(node.args[shown_at]):
        yield node.args[shown_at]


def _plain_labels(value: ast.expr) -> Iterator[ast.expr]:
    """Labels of (key, label) pairs that are plain texts."""
    for pair in getattr(value, "elts", ()):
        if isinstance(pair, ast.Tuple) and _is_text(pair.elts[-1]):
            yield pair


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(_is_text(part) for part in node.values if isinstance(part, ast.Constant))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(LETTERS.search(node.value))


def untranslated(source: str) -> list[str]:
    """Words a template shows as they stand: between tags, in attributes that are read, in defaults."""
    text, skipping = "", ""
    defaults: list[str] = []
    for token in Lexer(source).tokenize():
        words = token.contents.split()
        if token.token_type == TokenType.BLOCK and words:
            if skipping:
                skipping = "" if words[0] == f"end{skipping}" else skipping
            elif words[0] in ("comment", "blocktranslate"):
                skipping = words[0]
        if token.token_type == TokenType.TEXT and not skipping:
            text += token.contents
        elif token.token_type == TokenType.VAR:
            defaults += re.findall(r"\|(?:default|default_if_none|yesno):[\"']([^\"']*)", token.contents)
    text = re.sub(r"<(script|style)\b.*?</\1>|<!--.*?-->", "", text, flags=re.S)
    attributes = re.findall(r"\b(?:title|placeholder|alt|aria-label|value)=[\"']([^\"']*)", text)
    between = re.split(r"<[^>]*>", text)
    # What was a tag inside an attribute has left nothing behind.
    return [found.strip() for found in (*attributes, *map(html.unescape, between), *defaults) if LETTERS.search(found)]


def _models() -> list[Any]:
    ours = {"kernel", "orders", "finance", "inventory", "logistics", "site"}
    return [m for m in apps.get_models() if m._meta.app_label in ours and not m.__name__.startswith("Historical")]


def _subclasses(base: type[DomainError]) -> Iterator[type[DomainError]]:
    for refusal in base.__subclasses__():
        if not refusal.__module__.startswith("tests."):
            yield refusal
            yield from _subclasses(refusal)


def refusals() -> list[type[DomainError]]:
    modules()
    return sorted(_subclasses(DomainError), key=lambda refusal: refusal.code)


def checks() -> list[Check]:
    modules()
    return sorted((c for c in contract.all_checks() if _owner(c)), key=lambda check: check.code)


def _owner(check: Check) -> str:
    """The module that declares a check; none for those of tests."""
    return next((m.__name__ for m in modules() if any(value is check for value in vars(m).values())), "")


def _label(module: str) -> str:
    """The label of the app a module belongs to; empty for modules of none."""
    config = apps.get_containing_app_config(module)
    return config.label if config and config.name != "erp" else ""


class TestCodes:
    def test_every_refusal_has_a_code_of_its_own(self) -> None:
        codes = [refusal.code for refusal in refusals()] + [check.code for check in checks()]

        assert sorted(code for code in set(codes) if codes.count(code) > 1) == []
        assert [code for code in codes if not re.fullmatch(r"[a-z]+\.[a-z0-9]+(_[a-z0-9]+)*", code)] == []

    def test_a_code_begins_with_its_apps_label(self) -> None:
        homes = {refusal.code: _label(refusal.__module__) for refusal in refusals()}
        homes |= {check.code: _label(_owner(check)) for check in checks()}
        labels = {config.label for config in apps.get_app_configs()}

        astray = {code: home for code, home in homes.items() if code.split(".")[0] not in ({home} if home else labels)}

        assert astray == {}

    @pytest.mark.parametrize("language", ["zh-hans", "en"])
    def test_every_refusal_can_be_said(self, language: str) -> None:
        with translation.override(language):
            for refusal in refusals():
                message = str(refusal.message)
                said = message % dict.fromkeys(_names(message), "7")
                assert bool(CHINESE.search(said)) == (language == "zh-hans"), refusal.code

    @pytest.mark.parametrize("language", ["zh-hans", "en"])
    def test_every_check_can_be_said(self, language: str) -> None:
        with translation.override(language):
            for check in checks():
                for text in (check.passed, check.blocked, check.hint, check.role):
                    said = str(text) % dict.fromkeys(_names(str(text)), "7")
                    assert bool(CHINESE.search(said)) == (language == "zh-hans"), check.code

    def test_whoever_refuses_gives_every_value_the_sentence_names(self) -> None:
        wrong = [
            f"{where}: {sorted(missing)}"
            for module in modules()
            for where, given, wanted in _said_in(module)
            if (missing := wanted - given)
        ]

        assert wrong == []

    def test_every_code_is_met_by_a_test(self) -> None:
        tests = "\n".join(
            path.read_text(encoding="utf-8")
            for path in (ROOT / "tests").rglob("test_*.py")
            if path != Path(__file__).resolve()
        )
        refused = [r.code for r in refusals() if r.code not in tests and not re.search(rf"\b{r.__name__}\b", tests)]

        assert refused == []
        assert [check.code for check in checks() if check.code not in tests] == []


def _names(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)", text))


def _said_in(module: ModuleType) -> Iterator[tuple[str, set[str], set[str]]]:
    """Where a module refuses, reports or formats: the values given, and those the texts name."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    translating = catalog.translating_names(tree)
    for node in ast.walk(tree):
        where = f"{module.__name__}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            refusal = getattr(module, node.exc.id, None)
            if isinstance(refusal, type) and issubclass(refusal, DomainError):
                yield where, set(), _names(str(refusal.message))
        elif isinstance(node, ast.Call) and not any(keyword.arg is None for keyword in node.keywords):
            wanted = _wanted(module, node)
            if wanted is not None:
                yield where, {str(keyword.arg) for keyword in node.keywords}, wanted
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.right, ast.Dict):
            text = _translated_text(node.left, translating)
            if text is not None:
                yield where, {key.value for key in node.right.keys if isinstance(key, ast.Constant)}, _names(text)  # type: ignore[misc]


def _wanted(module: ModuleType, node: ast.Call) -> set[str] | None:
    """The values a refusal or finding has to be given; None where it is neither or makes its own."""
    function = node.func
    if isinstance(function, ast.Name):
        refusal = getattr(module, function.id, None)
        if isinstance(refusal, type) and issubclass(refusal, DomainError) and "__init__" not in vars(refusal):
            return _names(str(refusal.message))
    elif isinstance(function, ast.Attribute) and function.attr == "finding" and isinstance(function.value, ast.Name):
        check = getattr(module, function.value.id, None)
        if isinstance(check, Check):
            return _names(f"{check.passed} {check.blocked} {check.hint}")
    return None


def _translated_text(node: ast.expr, translating: dict[str, str]) -> str | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and translating.get(node.func.id) == "gettext":
        return ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else None
    return None


class TestInUse:
    def test_every_rule_that_must_hold_is_said_in_both_languages(self) -> None:
        for rule in invariants.registered():
            with translation.override("en"):
                english = str(rule.title)
            with translation.override("zh-hans"):
                assert str(rule.title) != english

    def test_what_a_permission_allows_is_said_in_the_readers_language(self) -> None:
        with translation.override("zh-hans"):
            assert right("orders.close_order") == "关闭订单"
            assert right("orders.add_order") == "新增订单"
        with translation.override("en"):
            assert right("orders.add_order") == "Can add: order"

    def test_a_long_list_says_how_many_there_are(self) -> None:
        with translation.override("zh-hans"):
            assert str(Listing(range(7))) == "0、1、2、3、4 等共 7 项"
        with translation.override("en"):
            assert str(Listing(range(7))) == "0, 1, 2, 3, 4, … (7)"

    @pytest.mark.parametrize(
        ("accepted", "said"),
        [("", "登录"), ("en", "Log in"), ("fr", "登录")],
    )
    def test_whoever_asks_for_no_language_of_ours_is_spoken_to_in_chinese(
        self, db: None, accepted: str, said: str
    ) -> None:
        page = Client().get(reverse("admin:login"), headers={"accept-language": accepted}).content.decode()

        assert said in page
