# VokeTag. `make help` lists the targets; every check has a repair beside it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKFLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

##@ Set up and run
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.runtime ## Install everything the demo needs (Python 3.11+ is the only requirement)

setup-dev: $(VENV)/.dev ## Install everything the checks and tests need

$(VENV)/.runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("VokeTag needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

lock: $(VENV)/.dev ## Refresh the hash-locked dependency files from pyproject.toml
	$(BIN)/uv pip compile $(LOCKFLAGS) --extra local pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCKFLAGS) --extra local --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
