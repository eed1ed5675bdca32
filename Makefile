# `make run`, `make check` and `make test` are all there is to know; the rest are their parts.

VENV := .venv
INSTALLED := $(VENV)/.installed
# Checkov pins older versions of libraries that the workbook runs on: an environment of its own.
CHECKOV_LOCK := tests/infrastructure/checkov/requirements.lock
CHECKOV := $(VENV)/checkov/.installed
# The newest Python at hand that the workbook supports.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$python && break; done)

.PHONY: run test check test-cloud test-docs docs bench cost oracle oracle-notebooks oracle-deaths oracle-crashes lint lint-terraform install lock containers digests clean

run: $(INSTALLED) ## Install, start the local servers, fill the source, run the whole workbook
	./run_pipeline.py install-elementary --once
	./run_pipeline.py run full

test: $(INSTALLED) $(CHECKOV) ## All tests, against real local servers
	$(VENV)/bin/python -m pytest -n 3 --dist worksteal

check: lint ## Format, lint, types, and all tests that need no server, in less than a minute
	$(VENV)/bin/python -m pytest -n 2 -m "not server"

test-cloud: $(INSTALLED) ## The tests of tests/cloud on the project of the settings (CREDIX_ENV=dev or stage), with a prefix of their own
	TEST_TARGET=google $(VENV)/bin/python -m pytest tests/cloud -s -rs

test-docs: $(INSTALLED) ## Every line of README and getting started, each page in a fresh clone (minutes)
	$(VENV)/bin/python -m tests.pages

bench: $(INSTALLED) ## Speed, ours and others' in turn: docs/reference/benchmarks.md (an hour; parts: make bench PART=extraction)
	$(VENV)/bin/python -m bench $(PART)

cost: $(INSTALLED) ## The tables of docs/explanation/cost.md and docs/explanation/production.md from what the last two runs of the local stack sent
	$(VENV)/bin/python -m bench.cost --record
	$(VENV)/bin/python -m bench.cost_sources

HISTORIES ?= 20
SEED ?= 1

oracle: $(INSTALLED) ## Histories drawn at random: make oracle HISTORIES=400 SEED=1
	$(VENV)/bin/python -m tests.oracle --histories $(HISTORIES) --seed $(SEED)

oracle-notebooks: $(INSTALLED) ## The same through papermill: make oracle-notebooks HISTORIES=20
	$(VENV)/bin/python -m tests.oracle --notebooks --histories $(HISTORIES) --seed $(SEED)

oracle-deaths: $(INSTALLED) ## A table of deaths before and after every side effect
	$(VENV)/bin/python -m tests.oracle --deaths

CRASHES ?= 50

oracle-crashes: $(INSTALLED) ## A table of crashes of the source at random moments: make oracle-crashes CRASHES=50
	$(VENV)/bin/python -m tests.oracle --crashes $(CRASHES) --seed $(SEED)

docs: $(INSTALLED) ## The parts of the documents that are generated from the code: settings, commands, data dictionary, a run
	$(VENV)/bin/python -m docs.generator

lint: $(INSTALLED) ## Format, lint and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

lint-terraform: $(INSTALLED) $(CHECKOV) ## Terraform, images and workflows by their linters, secrets in any file
	$(VENV)/bin/python -m pytest tests/infrastructure

install: ## The environment in .venv, with uv where it is installed, else with pip; fixes one that lacks something
	@rm -f $(INSTALLED)
	@$(MAKE) --no-print-directory $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		echo "Installing into $(VENV) with uv ..." && \
		uv venv --quiet --allow-existing --python "$(or $(PYTHON),3.13)" $(VENV) && \
		uv pip install --quiet --compile-bytecode --python $(VENV) --no-deps --require-hashes -r requirements.lock && \
		uv pip install --quiet --python $(VENV) --no-deps --editable . ; \
	elif [ -n "$(PYTHON)" ]; then \
		echo "Installing into $(VENV) with pip ($(PYTHON)) ..." && \
		$(PYTHON) -m venv $(VENV) && \
		$(VENV)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock && \
		$(VENV)/bin/python -m pip install --quiet --no-deps --editable . ; \
	else \
		echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; \
		exit 2; \
	fi
	@$(VENV)/bin/python -m credix_local.bigquery.googlesql
	@touch $@

$(CHECKOV): $(CHECKOV_LOCK) | $(INSTALLED)
	@echo "Installing checkov into $(VENV)/checkov ..."
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(VENV)/bin/python $(VENV)/checkov && \
		uv pip install --quiet --python $(VENV)/checkov --no-deps --require-hashes -r $(CHECKOV_LOCK) ; \
	else \
		$(VENV)/bin/python -m venv $(VENV)/checkov && \
		$(VENV)/checkov/bin/python -m pip install --quiet --no-deps --require-hashes -r $(CHECKOV_LOCK) ; \
	fi
	@touch $@

lock: ## Resolve the dependencies again, for every supported Python and platform, and for the images
	uv pip compile --universal --python-version 3.11 --extra local --extra judge --extra dev \
		--generate-hashes --no-annotate --no-header \
		--no-emit-index-url --quiet \
		--output-file requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.12 --constraint requirements.lock \
		--generate-hashes --no-annotate --no-header \
		--no-emit-index-url --quiet \
		--output-file docker/workbook/requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.12 --constraint requirements.lock \
		--generate-hashes --no-annotate --no-header \
		--no-emit-index-url --quiet \
		--output-file docker/workbook/stack.lock docker/workbook/stack.in
	uv pip compile --universal --python-version 3.12 --constraint requirements.lock \
		--generate-hashes --no-annotate --no-header \
		--no-emit-index-url --quiet \
		--output-file docker/data-loader/requirements.lock docker/data-loader/requirements.in
	uv pip compile --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header \
		--no-emit-index-url --quiet \
		--output-file $(CHECKOV_LOCK) tests/infrastructure/checkov/requirements.in

containers: ## Build the images and run the compose file end to end, in a copy of the clone; needs Docker with Compose
	$(if $(PYTHON),$(PYTHON),python3) -m tests.containers

digests: ## Pin the base images to the digests that their registries have now; dependabot keeps them from then on
	sh docker/pin.sh

clean: ## Remove the environment; ./run_pipeline.py reset removes data and runs
	rm -rf $(VENV)
