"""What stands in the project's files agrees with what it does."""

import re
import shutil
import stat
import subprocess
import sys
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command, get_commands

from erp.kernel.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    *("erp", "orders", "inventory", "finance", "logistics", "tests"),
    *("manage.py", "pyproject.toml", "requirements.txt", "Makefile"),
    *("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"),
}


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.rstrip("\0").split("\0")


def _project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)["project"]
    return project


def test_the_top_level_holds_what_it_may_and_nothing_else() -> None:
    entries = {path.split("/")[0] for path in _tracked()}

    assert {entry for entry in entries if not entry.startswith(".")} == TOP


def test_the_version_is_the_same_everywhere() -> None:
    assert _project()["version"] == VERSION
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lifecycle_in_the_readme_is_the_declared_one() -> None:
    written = re.search(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    declared = StringIO()
    call_command("lifecycle", format="mermaid", stdout=declared)

    assert written is not None
    assert written.group(1).strip() == declared.getvalue().strip()


def test_the_readme_names_every_command() -> None:
    table = (ROOT / "README.md").read_text().split("## Commands")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)(?: [^`]*)?`", table))

    assert named == {name for name, app in get_commands().items() if app == "erp"}


def test_every_requirement_is_pinned_with_hashes_and_names_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    requirements = re.split(r"\n(?=\S)", text.strip())

    assert "://" not in text
    for requirement in requirements:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", requirement, re.DOTALL), (
            requirement
        )


def test_no_file_names_a_registry_of_packages() -> None:
    hosts = [b"pypi" + b".org", b"pythonhosted" + b".org", b"npmjs" + b".org", b"npmjs" + b".com"]
    hosts += [b"unpkg" + b".com", b"jsdelivr" + b".net"]

    assert [name for name in _tracked() if any(host in (ROOT / name).read_bytes() for host in hosts)] == []


def test_setup_makes_a_secret_key_only_its_owner_can_read_and_keeps_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    make = ["make", "--silent", "-C", str(tmp_path), ".env", f"PYTHON={sys.executable}"]
    subprocess.run(make, check=True)
    made = tmp_path / ".env"
    key = made.read_text()

    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert re.fullmatch(r"SECRET_KEY=\S{50,}\n", key)
    subprocess.run(make, check=True)
    assert made.read_text() == key
