"""What the product does with its environment, each time in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = {"SECRET_KEY": "only for this test"}
SHOW = """
import json
from django.conf import settings
shown = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
print(json.dumps(shown, default=lambda value: type(value).__name__))
"""


@pytest.fixture(name="house")
def _house(tmp_path: Path) -> Path:
    """The settings alone, without an ``.env`` beside them."""
    (tmp_path / "erp").mkdir()
    for name in ("__init__.py", "settings.py"):
        shutil.copy(ROOT / "erp" / name, tmp_path / "erp" / name)
    return tmp_path


def _run(house: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=house,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "erp.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _settings(house: Path, **environment: str) -> dict[str, Any]:
    ran = _run(house, **environment)
    assert ran.returncode == 0, ran.stderr
    settings: dict[str, Any] = json.loads(ran.stdout)
    return settings


@pytest.mark.parametrize("environment", [{}, {"SECRET_KEY": ""}], ids=["absent", "empty"])
def test_without_a_secret_key_nothing_starts(house: Path, environment: dict[str, str]) -> None:
    ran = _run(house, **environment)

    assert ran.returncode != 0
    assert "SECRET_KEY" in ran.stderr


def test_the_secret_key_may_stand_in_env_and_the_environment_wins(house: Path) -> None:
    (house / ".env").write_text("SECRET_KEY=written\nLOG_LEVEL=INFO\n")

    assert _settings(house)["SECRET_KEY"] == "written"
    assert _settings(house, **KEY)["SECRET_KEY"] == KEY["SECRET_KEY"]


def test_as_it_stands_it_serves_this_machine_without_debugging(house: Path) -> None:
    settings = _settings(house, **KEY)

    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost"]
    assert settings["SECURE_SSL_REDIRECT"] is False
    assert settings["DATABASES"]["default"]["NAME"] == str(house / "db.sqlite3")


def test_a_name_others_reach_brings_https_and_safe_cookies(house: Path) -> None:
    settings = _settings(house, ALLOWED_HOSTS="127.0.0.1,erp.example.com", **KEY)

    assert settings["DEBUG"] is False
    for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT"):
        assert settings[name] is True, name
    assert settings["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert settings["SECURE_PROXY_SSL_HEADER"] is None
    assert settings["X_FRAME_OPTIONS"] == "DENY"


def test_a_proxy_is_trusted_only_when_told(house: Path) -> None:
    assert _settings(house, BEHIND_PROXY="on", **KEY)["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]


def test_what_the_database_url_asks_for_reaches_postgresql(house: Path) -> None:
    url = "postgres://erp@db.example.com/erp?sslmode=require"
    options = _settings(house, DATABASE_URL=url, DATABASE_POOL_SIZE="5", **KEY)["DATABASES"]["default"]["OPTIONS"]

    assert options["sslmode"] == "require"
    assert options["pool"] == {"min_size": 1, "max_size": 5}
    assert options["options"] == "-c lock_timeout=3000"


def test_the_readme_lists_every_variable_and_no_other() -> None:
    read = set(re.findall(r'env\.\w+\("([A-Z_]+)"', (ROOT / "erp/settings.py").read_text()))
    table = (ROOT / "README.md").read_text().split("## Settings")[1].split("\n## ")[0]

    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)) == read
