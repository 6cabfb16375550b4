# Telara's front door. `make` alone lists what there is.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
# The machine's certificates where it has any: networks with an authority of their own are common.
TRUST := $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),--system-certs)
MANAGE := $(BIN)/python manage.py
UV := $(BIN)/uv --quiet --no-progress $(TRUST)
COMPOSE := docker compose

# Each stamp says that a part of the environment is as the files it depends on want it.
VENV := .venv/stamp-venv
RUNTIME := .venv/stamp-runtime
DEVELOPMENT := .venv/stamp-development
VENDOR := static/vendor/stamp

# For checks that load the settings and talk to nobody.
NOWHERE := DATABASE_URL=django.db.backends.dummy:// KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9 REDIS_URL=redis://127.0.0.1:9/0 \
	SECRET_KEY=unused

# From an environment that is a link to another folder's nothing is taken away.
LINKED := $(shell [ ! -L .venv ] || echo yes)
SYNC := $(UV) pip $(if $(LINKED),install,sync) --python $(BIN)/python --require-hashes
LIST := $(if $(LINKED),--requirements )

# An environment whose Python is gone is made anew.
.PHONY: $(shell $(BIN)/python -c '' 2>/dev/null || echo $(VENV))

.PHONY: help install demo test lint format bench chaos fuzz lock up down

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(RUNTIME) $(VENDOR) ## make the environment: .venv, and the libraries of the pages
	@echo "Telara is installed. make demo starts it."

demo: $(RUNTIME) $(VENDOR) ## everything in one terminal, until Ctrl-C (PORT=8000, TELARA_DEMO_PASSWORD)
	@$(MANAGE) demo

test: $(DEVELOPMENT) $(VENDOR) ## run the whole suite (ARGS="-k rules" for a part of it)
	@$(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: $(DEVELOPMENT) ## every check that runs nothing; all of them, also after one failed
	@failed=; check() { echo "$$*"; "$$@" || failed="$$failed $$*;"; }; \
	check $(BIN)/python -m ruff check .; \
	check $(BIN)/python -m ruff format --check .; \
	check env $(NOWHERE) $(BIN)/python -m mypy .; \
	check $(BIN)/lint-imports; \
	check $(BIN)/python -m djlint --quiet --check --lint .; \
	check $(MANAGE) makemigrations --check --dry-run; \
	check $(MANAGE) check_rules; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

format: $(DEVELOPMENT) ## put code and templates into shape
	$(BIN)/python -m ruff check --fix-only --quiet .
	$(BIN)/python -m ruff format .
	-$(BIN)/python -m djlint --quiet --reformat .

bench: $(RUNTIME) ## how fast it is on this machine
	@for each in benchmarks/[a-z]*.py; do \
		name=$$(basename $$each .py); echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; \
	done

chaos: $(DEVELOPMENT) ## the whole fault matrix, on services of its own, in about a quarter of an hour (ARGS="-k zombie" for a part of it)
	@.ci/chaos $(ARGS)

fuzz: $(DEVELOPMENT) ## a million damaged events, 10,000 odd requests (ARGS="200000 --seed 7")
	@$(BIN)/python -m tests.ingestion.fuzz $(ARGS)
	@TELARA_FUZZ_REQUESTS=150 $(BIN)/python -m pytest --quiet --numprocesses=3 tests/api/test_fuzz.py

lock: $(VENV) ## pin what requirements*.in and package.json ask for
	@for name in requirements requirements-dev requirements-node; do \
		echo "$$name.txt"; \
		$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
			--output-file $$name.txt $$name.in || exit 1; \
	done
	npm install --package-lock-only

up: ## start Telara on Apache Kafka, PostgreSQL and Redis, by docker compose
	$(COMPOSE) up --build --detach --wait
	@$(COMPOSE) exec --no-TTY web python manage.py first_administrator --url "http://$$($(COMPOSE) port web 8000 | sed 's/^127\.0\.0\.1/localhost/')"

down: ## stop what `make up` started; the data stay
	$(COMPOSE) down

# An environment that works is kept, also one that is a link to another folder's.
$(VENV): requirements-uv.txt
	@if $(BIN)/python -c '' 2>/dev/null; then exit 0; fi; \
	if [ -L .venv ]; then echo ".venv is a link, and no Python is at its end." >&2; exit 1; fi; \
	python=; for each in python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$each; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Telara needs Python 3.11 or newer; `python3 --version 2>&1 || echo none` was found." >&2; exit 1; \
	fi; \
	echo "making .venv"; \
	$$python -m venv --clear .venv || { \
		echo "Python cannot make environments here. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

# The requirements of development hold those of running: where they are installed, they are what is brought up to date.
$(RUNTIME): $(VENV) requirements.txt
	@if [ -e $(DEVELOPMENT) ]; then $(MAKE) $(DEVELOPMENT); else \
		echo "installing what Telara runs on"; \
		$(SYNC) --compile-bytecode $(LIST)requirements.txt; \
	fi
	@touch $@

$(DEVELOPMENT): $(VENV) requirements-dev.txt
	@echo "installing what Telara runs on, and what tests and checks need"
	@$(SYNC) $(LIST)requirements-dev.txt
	@touch $@

$(VENDOR): package.json package-lock.json .npmrc | $(VENV)
	@echo "fetching the libraries of the pages"
	@if ! npm --version >/dev/null 2>&1; then \
		$(UV) pip install --python $(BIN)/python --require-hashes -r requirements-node.txt || exit 1; \
		PATH="$$PWD/$(BIN):$$PATH"; NODE_OPTIONS=--use-system-ca; export PATH NODE_OPTIONS; \
	fi; \
	npm ci --loglevel=error >/dev/null
	@rm -rf static/vendor
	@mkdir -p static/vendor/uplot
	@cp node_modules/uplot/dist/uPlot.esm.js node_modules/uplot/dist/uPlot.min.css node_modules/uplot/LICENSE static/vendor/uplot/
	@touch $@
