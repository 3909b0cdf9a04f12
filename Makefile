# Two commands for a newcomer: `make demo` and `make test`. Both set up `.venv/` first (Python 3.11, pinned packages).

PYTHON ?= python3.11
BIN := .venv/bin
CORES ?= all

.PHONY: install demo test format lint lock schema docs clean

install: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on the PATH: install Python 3.11, or name it: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES)
	@echo "The report: file://$(CURDIR)/results/simulated/report/index.html"

test: install
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

# The lock file, anew from pyproject.toml (needs uv); the schema and the reference table, anew from the classes of the configuration.
lock:
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes --no-header --upgrade -o requirements.lock

schema: install
	$(BIN)/python -m neurons.config_reference

# All that is generated: the above, the environments of the stages with their Dockerfile, and what reruns when.
docs: schema
	$(BIN)/python -m neurons.workflow.environments
	$(BIN)/python -m neurons.workflow.reruns

format: install
	$(BIN)/ruff format neurons tests benchmarks
	$(BIN)/ruff check --fix neurons tests benchmarks
	$(BIN)/snakefmt workflow rules

lint: install
	$(BIN)/ruff format --check neurons tests benchmarks
	$(BIN)/ruff check neurons tests benchmarks
	$(BIN)/snakefmt --check workflow rules
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --lint
	$(BIN)/mypy

clean:
	rm -rf results .snakemake logs
