# Callveil's few commands. Everything is installed into .venv; models go to the models folder (callveil models).

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check bench format clean

setup: $(STAMP)                ## install everything, pull the models
	$(BIN)/callveil models pull --all

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	# torch first and pinned: left to itself pip would take a build with several GB of GPU libraries.
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	touch $@

demo: setup                    ## process the sample calls and make a report
	deploy/demo/run.sh $(BIN)

check: $(STAMP)                ## lint, types, import contract, fast tests
	$(BIN)/ruff format --check src tests deploy
	$(BIN)/ruff check src tests deploy
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q -m 'not models and not s3 and not slow' tests/unit

test: setup check              ## everything, with real models, a real S3 server, a real PostgreSQL and a real browser
	deploy/test-s3/install.sh
	deploy/test-postgresql/install.sh
	deploy/test-browser/install.sh
	$(BIN)/pytest -q

bench: setup                   ## measure, write benchmarks/*.json and BENCHMARKS.md
	$(BIN)/python tests/benchmarks/run.py

format: $(STAMP)
	$(BIN)/ruff format src tests deploy
	$(BIN)/ruff check --fix src tests deploy

clean:
	rm -rf $(VENV) build dist demo
