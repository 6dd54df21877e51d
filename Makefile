# Needs git, make and Python 3.11; everything else is installed into .venv.
PYTHON ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
# Tracked and new, so that a file not yet added is looked at too.
FILES := git ls-files --cached --others --exclude-standard -z
# As on a server: none of what makes the product run on one machine without a certificate.
PRODUCTION := DEBUG=off BEHIND_PROXY=on ALLOWED_HOSTS=erp.example.com \
	CSRF_TRUSTED_ORIGINS=https://erp.example.com DATABASE_URL=sqlite://:memory:

.DELETE_ON_ERROR:
.PHONY: help setup demo test check lock bench

help:
	@echo "make demo    install, load the demonstration and start it"
	@echo "make setup   install into .venv, make .env"
	@echo "make test    run the tests"
	@echo "make check   format, lint, types, import directions, migrations, settings, locked requirements"
	@echo "make lock    write requirements.txt anew from pyproject.toml"
	@echo "make bench   measure the life of an order"

setup: .venv/.installed .env

# Untouched while requirements.txt is unchanged. It names every package, so pip need resolve nothing: older releases of
# pip would look for the newest release of a package wanted with extras, past the one locked.
.venv/.installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: neither python3.11 nor python3 is." >&2; exit 1; }
	@echo "Installing into .venv (about a minute) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r requirements.txt
	@touch $@

.env:
	@umask 077 && $(PYTHON) -c 'import secrets; print("SECRET_KEY=" + secrets.token_urlsafe(50))' > $@

demo: setup
	$(BIN)/python manage.py demo

test: setup
	$(BIN)/pytest -n auto

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(FILES) '*.html' | xargs -0 -r $(BIN)/djade --check
	$(FILES) '*.py' | xargs -0 -r $(BIN)/django-upgrade --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@cp requirements.txt .venv/requirements.txt
	@$(MAKE) --no-print-directory lock LOCK=.venv/requirements.txt
	diff requirements.txt .venv/requirements.txt

# Compiled onto the present file, which keeps what need not change.
LOCK ?= requirements.txt
lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra dev pyproject.toml --output-file $(LOCK)

bench: setup
	$(BIN)/python tests/benchmarks/lifecycle.py
