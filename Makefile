# Everything that is done with this checkout. CI runs these targets and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PINS := pyproject.toml constraints.txt
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench results clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.train ## Train two small models, pull them, predict (3 minutes after the install)
	@$(BIN)/python -m distrnn.cli.demo

test: lint ## Lint, then every fast test (the direction of imports is one of them)
	$(PYTEST) -m "not slow and not bench"

test-slow: $(VENV)/.dev ## Kills, races and stress
	$(PYTEST) -m slow

lint: $(VENV)/.dev ## Style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.dev ## Figures against a peer that runs in the same call
	$(BIN)/python -m pytest -m bench -s tests/benchmark

results: $(VENV)/.dev ## Run the workflows with a published figure on the real text, and write the README's table; WORKFLOW=NAME for one of them
	$(BIN)/python tests/benchmark/results.py $(WORKFLOW)

clean: ## Remove caches, build output and what the demo made; .venv stays
	rm -rf .demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis
	find distrnn tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null || { \
	  echo "distrnn needs Python 3.11 or 3.12; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.train: $(PINS) | $(BIN)/python
	@echo "Installing distrnn with TensorFlow, Ray and pyarrow into $(VENV) (about 3 GB; some minutes the first time) ..."
	@$(PIP_INSTALL) --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(PINS) | $(BIN)/python
	@echo "Installing distrnn, its libraries and the development tools into $(VENV) (about 3 GB; some minutes the first time) ..."
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@
