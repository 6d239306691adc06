# Everything a person does here is one of these. Nothing else need be installed but Python >= 3.11.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python that is new enough. Override with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$p" && break; done)
UV = $(shell command -v uv 2>/dev/null || echo .venv-uv/bin/uv)
export UV_PYTHON_DOWNLOADS = never
BIN = .venv/bin
STAMP = .venv/.installed
PACK = core/triskel/policy/scan/data

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## / {printf "  \033[1mmake %-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ── set-up ───────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: setup
setup: $(STAMP) $(PACK)/.built ## Create .venv and install what uv.lock says

$(STAMP): uv.lock pyproject.toml core/pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found; set PYTHON=/path/to/python3"; exit 1; }
	@command -v uv >/dev/null 2>&1 || test -x .venv-uv/bin/uv || { \
		echo "· fetching uv, which installs the rest"; \
		"$(PYTHON)" -m venv .venv-uv && .venv-uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'; }
	@echo "· installing from uv.lock into .venv"
	@$(UV) sync --frozen --python "$(PYTHON)"
	@touch $@

# Hyperscan's form of the detectors, for this processor. Without it RE2 finds the same, more slowly.
$(PACK)/.built: $(STAMP) $(wildcard $(PACK)/*.yaml) $(PACK)/pack.json
	@echo "· compiling the detectors for this processor"
	@$(BIN)/python -m triskel.policy.scan.build
	@touch $@

# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: up
up: setup ## Start Triskel with three simulated clouds on http://127.0.0.1:8080
	@exec $(BIN)/triskel up

# ── test ─────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: test
test: lint types test-all test-312 ## Set up everything and pass every test

.PHONY: lint
lint: setup ## Style, and the order of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

.PHONY: types
types: setup ## The strict type checker on core
	@$(BIN)/mypy

.PHONY: unit
unit: setup ## Unit tests alone: under a minute
	@$(BIN)/pytest tests/unit

.PHONY: test-all
test-all: setup
	@$(BIN)/pytest

.PHONY: test-312
test-312: setup
	@sh tools/unit_tests_on.sh 3.12 $(UV)

# ── measure ──────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: bench
bench: bench-gateway bench-policy bench-cold ## Every benchmark; figures go to bench/out

.PHONY: bench-gateway
bench-gateway: setup ## What the gate adds to a call: latency, calls a second, CPU, memory
	@$(BIN)/python -m bench.gateway

.PHONY: bench-policy
bench-policy: setup ## What policy costs: 1,000 policies, scanning, streams, the worst input
	@$(BIN)/python -m bench.policy

.PHONY: accuracy
accuracy: setup ## What the detectors find and miss; DATA=folder for labelled JSON lines of your own
	@$(BIN)/python -m bench.accuracy $(DATA)

.PHONY: bench-cold
bench-cold: setup ## What a cold start costs: imports of the ASGI application
	@$(BIN)/python -m bench.cold

.PHONY: format
format: setup ## Lay out the code
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

.PHONY: clean
clean: ## Remove environments and what was built; keys, policies and audit in .triskel stay
	@rm -rf .venv .venv-* dist bench/out .pytest_cache .mypy_cache .ruff_cache .hypothesis
