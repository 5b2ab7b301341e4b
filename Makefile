# make demo   the main job, end to end, on the embedded sandbox        make test   the tests; SLOW=1: all of them
# make lint   style, types, import contracts                           make bench  measured claims
# Everything runs in a virtual environment of the checkout, .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Most tests wait for servers: more workers than processors. One file stays on one worker, as its tests share stand-ins;
# files come in the order that tests/conftest.py gives them, as the slow ones are not those with many tests.
WORKERS ?= 5
# How often a failed test is tried again; what was is listed.
RERUNS ?= 0
# 1: also the tests that take long (kills, outages, variants of whole deployments, very many jobs), as CI does.
SLOW ?= 0
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# Compiled once, instead of by each of the processes that are started.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types format bench docs clean setup
.DEFAULT_GOAL := help

help:
	@sed -n '1,3p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/smartclide demo $(DEMO)

test: $(STAMP)
	SMARTCLIDE_TEST_SLOW=$(SLOW) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --reruns $(RERUNS) $(TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	@for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

docs: $(STAMP)
	$(BIN)/python -m console.reference

clean:
	rm -rf $(VENV) .smartclide .mypy_cache .ruff_cache .pytest_cache .hypothesis
