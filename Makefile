PYTHON_BIN := .venv/bin/python
WITH_DATABASE := $(PYTHON_BIN) -m dashboard.postgres
PYTEST := $(PYTHON_BIN) -m pytest
LOCK := .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate
# Less than development.txt, in its versions.
LOCK_WITHIN = $(LOCK) --upgrade --constraint requirements/development.txt
TEMPLATES = $(shell find templates -name '*.html')
# What production sets, to check that nothing else is missing there; no database is asked.
PRODUCTION := DATABASE_URL=postgresql://lookout@db.example/lookout ALLOWED_HOSTS=lookout.example \
	SECRET_KEY=check-only-check-only-check-only-check-only-check-only-1234567890 \
	KEY_PEPPER=another-check-only-another-check-only-1234567890 LOCAL=0 DEBUG=0

# Python keeps what it has compiled, even where the environment says not to: `make env` compiles nothing ahead, and
# each of the many processes of the tests would compile all that it imports again.
export PYTHONDONTWRITEBYTECODE :=

# Half as many again as there are processors: every now and then a test waits for others.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) '*' 3 / 2)

HOST ?= 127.0.0.1
PORT ?= 8000

.PHONY: help env trial lock audit lint format test bench pages states history live signins idle registrations relay mirror alerts outage drill cluster pictures run demo

help: ## Show these lines
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 14

demo: trial ## Start the site with a sample organization and virtual devices; Ctrl-C stops it
	@$(WITH_DATABASE) $(PYTHON_BIN) -m dashboard.serve --demo --host $(HOST) --port $(PORT)

test: env ## Run all tests; ARGS="-k name" chooses
	@$(PYTEST) -n $(WORKERS) $(ARGS)

bench: env ## Measure the ingest under load; DEVICES=100000 SECONDS=10 CONNECTIONS=200 PROCESSES=2; make bench pages, make bench states, make bench history, make bench rules, make bench live, make bench signins, make bench idle, make bench registrations, make bench relay, make bench mirror, make bench alerts, make bench outage: those
ifneq ($(filter live,$(MAKECMDGOALS)),)
	@CHANGES=$(or $(CHANGES),30) $(PYTEST) -n 0 -q -s -m "" tests/browser/test_push.py
else ifneq ($(filter idle registrations,$(MAKECMDGOALS)),)
	@$(PYTHON_BIN) -m tests.bench.$(filter idle registrations,$(MAKECMDGOALS))
else
	@$(WITH_DATABASE) $(PYTHON_BIN) -m tests.bench$(addprefix .,$(filter pages states history rules signins relay mirror alerts outage,$(MAKECMDGOALS)))
endif

pages states history rules live signins idle registrations relay mirror alerts outage: bench
	@:

cluster: env ## Start a site of six machines with three databases under Patroni in network namespaces, to pull cables in; needs root; FAILURES=all measures what each failure costs (switchover kill cable standby disk log restart)
	@scripts/cluster/packages.sh
	@$(PYTHON_BIN) -m scripts.cluster $(addprefix --devices ,$(DEVICES)) $(FAILURES)

drill: env ## Let the site be away for a while, with virtual devices around it, and look at its history and at what is told; ARGS="--outage 90"
	@$(PYTHON_BIN) scripts/drill.py $(ARGS)

pictures: env ## Take pictures of every page and state of a demo into var/pictures, and those of the documents into docs/pictures
	@$(PYTHON_BIN) -m tests.pictures $(ARGS)

run: trial ## Start the site alone
	@$(WITH_DATABASE) $(PYTHON_BIN) -m dashboard.serve --host $(HOST) --port $(PORT)

env: ## Install only the environment: .venv with what developers need
	@scripts/environment.sh development

trial: # .venv with what `make demo` and `make run` need, which is less
	@scripts/environment.sh demo

lint: env ## Check style, formats, types, imports, migrations and production's settings
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/djade --target-version 5.2 --check $(TEMPLATES)
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	LOCAL=1 $(WITH_DATABASE) $(PYTHON_BIN) manage.py makemigrations --check --dry-run
	LOCAL=1 DJANGO_SETTINGS_MODULE=dashboard.settings $(PYTHON_BIN) -m tests.upgrade.careful
	$(PRODUCTION) $(PYTHON_BIN) manage.py check --deploy --fail-level WARNING

format: env ## Format code and templates
	.venv/bin/ruff check --fix
	.venv/bin/ruff format
	.venv/bin/djade --target-version 5.2 $(TEMPLATES)

lock: env ## Write the lock files again from pyproject.toml; UPGRADE=--upgrade takes the newest versions
	$(LOCK) $(UPGRADE) pyproject.toml --extra embedded --extra apprise --group dev --output-file requirements/development.txt
	$(LOCK_WITHIN) pyproject.toml --extra embedded --output-file requirements/demo.txt
	$(LOCK_WITHIN) pyproject.toml --output-file requirements/production.txt
	$(LOCK) $(UPGRADE) --group audit --output-file requirements/audit.txt
	$(LOCK) $(UPGRADE) --group cluster --output-file requirements/cluster.txt

audit: env ## Look for known vulnerabilities in the packages that are pinned; asks pypi.org, over the internet
	@scripts/audit.sh
