"""
Settings, read from the environment and from ``.env`` beside ``manage.py``.

``SECRET_KEY`` has no default: without it the product refuses to start. Everything else
is safe as it stands; see the README for each variable.
"""

import sqlite3
import sys
import warnings
from pathlib import Path
from typing import Any

import environ
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

# Its import announces a successor; erp.kernel.fsm runs over it, and over its maintained fork, as it is.
warnings.filterwarnings("ignore", message="The 'django-fsm' package has been integrated", category=UserWarning)

SECRET_KEY = env.str("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "erp.kernel",
    "orders",
    "finance",
    "inventory",
    "logistics",
    "erp.files",
    "erp",
    "erp.worker",
    "erp.bulk",
    "erp.reports",
    "erp.printing",
    "erp.site",
    # Before the admin, whose templates it replaces.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "erp.site.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "simple_history",
    "import_export",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "erp.kernel.middleware.ActingMiddleware",
]

ROOT_URLCONF = "erp.urls"
WSGI_APPLICATION = "erp.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database: SQLite beside manage.py unless DATABASE_URL names another.
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # Without IMMEDIATE, two writers that both began by reading end in "database is locked".
    # Write-ahead logging can corrupt under concurrent write and checkpoint before 3.51.3.
    _journal = "WAL" if sqlite3.sqlite_version_info >= (3, 51, 3) else "DELETE"
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON;"
            f"PRAGMA journal_mode={_journal};"
        ),
    }
    # Race tests need several connections to one database, which memory cannot give them.
    _database["TEST"] = {"NAME": f"{_database['NAME']}.test"}
else:
    _database["CONN_MAX_AGE"] = 0
    _database["CONN_HEALTH_CHECKS"] = True
    # Beside what the URL asks for, such as sslmode.
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", default=16)},
        "options": "-c lock_timeout=3000",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "kernel.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# Language and time
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
FORMAT_MODULE_PATH = ["erp.formats"]

# Files: served by WhiteNoise straight from the apps, so that nothing must be collected first.
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
# What people keep with documents: given out by our own page only, so it has no address of its own.
MEDIA_ROOT = env.str("MEDIA_ROOT", default=str(BASE_DIR / "media"))

vars().update(env.email("EMAIL_URL", default="consolemail://"))

REST_FRAMEWORK = {"TEST_REQUEST_DEFAULT_FORMAT": "json"}
SIMPLE_HISTORY_REVERT_DISABLED = True

# The theme of the back office. Colours are of one blue, so that red, green and amber are left to say something.
UNFOLD = {
    "SITE_TITLE": _("ERP"),
    "SITE_HEADER": _("ERP back office"),
    "SITE_URL": None,
    "SITE_SYMBOL": "inventory",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("erp/icon.svg")}],
    "STYLES": [lambda request: static("erp/backoffice.css")],
    "SCRIPTS": [lambda request: static("erp/focus.js")],
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {"action": reverse_lazy("admin:language")},
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 240)",
            "100": "oklch(93.6% .03 240)",
            "200": "oklch(88% .055 240)",
            "300": "oklch(80% .09 240)",
            "400": "oklch(70% .12 240)",
            "500": "oklch(60% .13 240)",
            "600": "oklch(51% .125 240)",
            "700": "oklch(44% .11 240)",
            "800": "oklch(38% .09 240)",
            "900": "oklch(33% .07 240)",
            "950": "oklch(24% .05 240)",
        },
    },
    "SIDEBAR": {"show_search": False, "navigation": "erp.site.navigation.sidebar"},
}

# A page of 500 lines has more fields than the default of 1,000.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4_000

# Security: HTTPS is expected wherever the product is reachable from outside.
_local = DEBUG or set(ALLOWED_HOSTS) <= {"127.0.0.1", "localhost", "testserver"}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not _local
# Whoever watches the server asks it directly, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 0 if _local else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not _local
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Nothing from elsewhere and no inline script. The theme evaluates its own attributes and brings inline styles.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": sys.stderr}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
}

# The company: its day decides the date of vouchers.
COMPANY_TIME_ZONE = env.str("COMPANY_TIME_ZONE", default=TIME_ZONE)

# What each transition of an order checks and does, in this order.
ORDER_STEPS = {
    "process": [
        "orders.steps.NotOnHold",
        "orders.steps.HasLines",
        "finance.steps.Prepaid",
        "inventory.steps.ReserveStock",
    ],
    "ship": [
        "orders.steps.NotOnHold",
        "logistics.steps.EverythingShipped",
    ],
    "complete": [
        "orders.steps.NotOnHold",
        "logistics.steps.Receive",
    ],
    "close": [
        "orders.steps.NotOnHold",
        "orders.steps.NotItsReopener",
        "orders.steps.ReasonFits",
        "orders.steps.FinalReview",
        "logistics.steps.ProveShipped",
        "inventory.steps.ProveStock",
        "finance.steps.SettleAccount",
        "orders.steps.SealRecord",
    ],
    "cancel": [
        "logistics.steps.CancelShipments",
        "inventory.steps.FreeAll",
        "finance.steps.GiveBack",
    ],
    "request_cancel": [
        "orders.steps.NotToBeCancelled",
        "logistics.steps.CallBack",
    ],
    "end_cancel_request": [
        "logistics.steps.LetGo",
        "inventory.steps.ServeAgain",
    ],
    "reopen": [
        "orders.steps.NotItsCloser",
        "logistics.steps.NameOpenReturns",
        "finance.steps.ReverseSettlement",
        "orders.steps.SealReopening",
    ],
    "hold": [
        "orders.steps.NotOnHold",
        "logistics.steps.NothingOnShipment",
        "inventory.steps.FreeReservation",
    ],
    "resume": [
        "orders.steps.OnHold",
        "inventory.steps.ReserveAgain",
    ],
    "close_line": [
        "orders.steps.NotOnHold",
        "orders.steps.NotToBeCancelled",
        "logistics.steps.LeftToShip",
        "orders.steps.CloseLines",
        "inventory.steps.ReleaseClosedLines",
        "finance.steps.RefundClosedLines",
    ],
    "change": [
        "orders.steps.NotToBeCancelled",
        "orders.steps.ChangeOrder",
        "logistics.steps.NothingPacked",
        "finance.steps.RefundChange",
    ],
}

# Final review: what a block is called, who may confirm it, which facts it shows, whose hard checks must pass before.
REVIEW_BLOCKS: dict[str, dict[str, Any]] = {
    "order": {
        "label": _("Order information"),
        "facts": "orders.facts.review",
        "permission": "orders.review_order",
        "checks": [],
    },
    "finance": {
        "label": _("Finance information"),
        "facts": "finance.facts.review",
        "permission": "finance.review_finance",
        "checks": ["finance"],
    },
    "logistics": {
        "label": _("Logistics information"),
        "facts": "logistics.facts.review",
        "permission": "logistics.review_logistics",
        "checks": ["logistics", "inventory"],
    },
}

# What must hold before an accounting period closes.
PERIOD_CHECKS = [
    "finance.periods.earlier_periods_closed",
    "finance.periods.payments_decided",
    "finance.periods.write_offs_decided",
    "inventory.periods.stock_takes_decided",
    "finance.periods.books_prove",
]

# What is done in the background, by manage.py run_worker: each does one bounded piece and says whether more waits.
WORKER_JOBS = [
    "erp.bulk.services.work",
    "erp.site.readiness.refresh",
]

# Days after which a completed order that is not closed is overdue.
OVERDUE_DAYS = env.int("OVERDUE_DAYS", default=7)
