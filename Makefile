# `make` lists the commands.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: federated-environment help demo test test-all up down lint bench-gpu format docs client lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+%?:.*## / {sub("%", "NAME", $$1); printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## run the main job with Airflow, from files to vectors, and show its progress
	@$(BIN)/penchant demo

test: $(READY) ## run the tests, without those marked long
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal -m "not long"

test-all: $(READY) ## run all tests, with the runs of the whole platform
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

up: $(READY) ## start the platform in the background and print its addresses
	@$(BIN)/penchant up

down: $(READY) ## stop the platform
	@$(BIN)/penchant down

lint: $(READY) ## check style and types of the Python code and style of the SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt/models

format: $(READY) ## format the Python code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench-gpu: ## train on the GPU, or without one on the CPU; needs no installation beside torch
	$(if $(wildcard $(BIN)/python),$(BIN)/python,python3) -m benchmarks.gpu $(ARGS)

bench-%: $(READY) ## run the benchmark NAME and write its page
	$(BIN)/python -m benchmarks $* $(ARGS)

client: $(READY) ## write the generated modules of the client from the OpenAPI description
	$(BIN)/python -m penchant.api.clients.python_client client/penchant_client
	$(BIN)/ruff check --quiet --select F401,I --fix client
	$(BIN)/ruff format --quiet client

lock: ## update requirements.lock to the newest versions that pyproject.toml allows
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet 'torch==2.13.0' -e '.[dev]'
	$(VENV)-lock/bin/pip install --quiet --no-deps dp-accounting # ADR 33 says why
	{ sed -n '/^#/p' requirements.lock; \
	  $(VENV)-lock/bin/pip freeze --exclude-editable \
	    | sed -E -e '/^nvidia-/d' -e 's/^(torch==[0-9.]+)\+.*/\1/'; } > requirements.lock.new
	mv requirements.lock.new requirements.lock
	$(VENV)-lock/bin/pip install --quiet -c requirements.lock -e '.[production,text]'
	{ sed -n '/^#/p' requirements-production.lock; \
	  $(VENV)-lock/bin/pip freeze --exclude-editable | grep -vi -e '^nvidia-' -e '^torch==' \
	    | grep -vixFf requirements.lock; } > requirements-production.lock.new
	mv requirements-production.lock.new requirements-production.lock
	rm -rf $(VENV)-lock

federated-environment: .venv-flower/.ready ## install Flower, for penchant federate, into .venv-flower

.venv-flower/.ready: requirements-federated.lock
	rm -rf .venv-flower
	$(PYTHON) -m venv .venv-flower
	.venv-flower/bin/pip install --quiet --no-deps -r requirements-federated.lock
	@touch $@

clean: ## remove .penchant and all caches; keep .venv
	@if [ -x $(BIN)/penchant ]; then $(BIN)/penchant down; fi
	rm -rf .penchant .pytest_cache .mypy_cache .ruff_cache dbt/target dbt/logs logs site
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The stamp is written last: an interrupted install is repeated.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { \
	  echo "error: $(PYTHON) is not on PATH; Penchant requires Python 3.11." >&2; \
	  echo "  what to do: install it, or give its path: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "error: $(PYTHON) is not Python 3.11: $$($(PYTHON) --version)" >&2; \
	  echo "  what to do: give the path of one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python install.py
	@touch $(READY)
