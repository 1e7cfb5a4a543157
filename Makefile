# What a developer needs. `make help` lists it.
SHELL := /bin/bash
PYTHON := .venv/bin/python
export PORT ?= 8000

# What `check --deploy` judges: settings as in production. Nothing connects anywhere.
PRODUCTION = DEBUG=false SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(60))') \
	DATA_KEYS=check:$$($(PYTHON) -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())') \
	ALLOWED_HOSTS=clinic.example PUBLIC_URL=https://clinic.example EMAIL_URL=smtp+tls://user:secret@mail.example:587 \
	DEFAULT_FROM_EMAIL=clinic@clinic.example TRUSTED_PROXY_COUNT=1 \
	DATABASE_URL=postgresql://clinic_web:secret@db.example/clinic \
	DATABASE_OWNER_URL=postgresql://clinic_owner:secret@db.example/clinic

.PHONY: help run stop env test check bench clean

help:
	@echo "make run     the site with a demonstration, on http://localhost:$(PORT) (PORT=8001 make run for another port)"
	@echo "make stop    stop the embedded database server (its data stay)"
	@echo "make test    all tests, the stories in a real browser included"
	@echo "make check   linters, types, migrations, settings for production, directions of imports"
	@echo "make bench   measure"
	@echo "make clean   delete what can be made again; the database and .env stay"

run: .venv/.installed .env
	@$(PYTHON) manage.py migrate --verbosity 0
	@$(PYTHON) manage.py setup_clinic
	@$(PYTHON) manage.py demo || echo "No demonstration was made, for the reason above. The site starts without it."
	@exec bin/serve

stop:
	@$(PYTHON) manage.py localdb stop

env: .env

# Never overwritten: see clinic/localenv.py
.env: | .venv/.installed
	@$(PYTHON) -m clinic.localenv

.venv/.installed: requirements.txt
	@echo "Installing what the site needs (about a minute the first time)."
	@bin/install requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt requirements.txt
	@echo "Installing what tests and checks need (about a minute the first time)."
	@bin/install requirements-dev.txt
	@touch $@ .venv/.installed

test: .venv/.installed-dev
	@chromium="$$(bin/chromium)" && echo "Browser: $$chromium" && CHROMIUM="$$chromium" $(PYTHON) -m pytest -n 3 --dist worksteal

check: .venv/.installed-dev .env
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	find templates -name '*.html' -print0 | xargs -0 .venv/bin/djade --check --target-version 5.2
	$(PYTHON) -m mypy .
	$(PYTHON) manage.py makemigrations --check --dry-run
	@echo "manage.py check --deploy, with settings as in production"
	@$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING
	$(PYTHON) -m pytest -q tests/test_arrows.py

bench: .venv/.installed-dev .env
	$(PYTHON) bench/run.py

clean:
	@if [ -x $(PYTHON) ]; then $(PYTHON) manage.py localdb stop || true; fi
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov test-results staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
