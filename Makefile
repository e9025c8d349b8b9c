# Two commands matter: `make demo` and `make test`. Each sets up all it needs, in .venv and node_modules.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUNDLING := stacks/iot_jitr/bundling
# The CDK command line and npm run on the Node that came with the virtual environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests of one file, or of one deployment, stay in one process (tests/conftest.py); the end-to-end tests come first.
# Three processes keep two processors busy: the end-to-end tests wait as long as they compute.
PYTEST := $(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder
ROUNDS ?= 10
COMPILE := $(CURDIR)/$(BIN)/uv pip compile --no-emit-index-url --no-header --quiet
UNIVERSAL := --universal --python-version 3.11
# What it needs itself is resolved as on that day, so that the same version always comes with the same packages.
PIP_AUDIT := --exclude-newer 2026-11-01 pip-audit@2.10.1

.DEFAULT_GOAL := help
.PHONY: audit bench-storm dist help setup demo docs site pictures snapshot test flaky check covered lint types format lock mutants clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: ## virtual environment, Node, CDK command line, as locked (nothing to do where nothing changed)
	@$(PYTHON) tools/setup.py

demo: setup ## the whole story in one run, on the local cloud
	@$(BIN)/jitr demo

pictures: setup ## make the pictures of README and docs anew (runs the demo once)
	@$(BIN)/python docs/pictures/make_pictures.py

snapshot: setup ## write the reviewed templates anew (tests/snapshot/templates); review the diff
	@JITR_UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests/snapshot/test_snapshots.py tests/snapshot/test_stability.py

docs: setup ## write the pages that come from the code (docs/configuration.md, docs/construct.md)
	@$(BIN)/python -m tools

site: setup ## build the documentation site into build/site, with every link and anchor checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build
	@echo "build/site/index.html"

test: setup ## the tests, the end-to-end ones on the local cloud included
	@$(PYTEST) -m "not exhaustive"

flaky: setup ## what depends on time, ten rounds (ROUNDS=1) at each of three speeds (Linux; hours)
	@$(BIN)/python -m tools.flaky --rounds $(ROUNDS)

# mypy takes a minute of one processor, which the tests do not wait for.
check: setup lint ## what CI runs: ruff, mypy --strict, all tests (those that repeat at length too), coverage
	@$(MAKE) --no-print-directory --jobs=2 types covered

covered: setup
	@$(PYTEST) --cov --cov-report=term --cov-fail-under=95

bench-storm: setup ## a fleet switched on at once, three systems side by side (an hour, needs the machine alone)
	@$(BIN)/python -m bench.storm

dist: setup ## build wheel, sdist and bills of materials into dist/, and check them (RELEASE=v1.2.3: tag and changelog too)
	@$(BIN)/python -m tools.dist $(if $(RELEASE),--release $(RELEASE))

audit: setup ## look for known vulnerabilities in what is locked (asks osv.dev and npm's index; needs the network)
	@for lock in requirements.lock $(BUNDLING)/functions.lock; do \
		$(BIN)/uvx $(PIP_AUDIT) --vulnerability-service osv --disable-pip --require-hashes -r $$lock || exit 1; done
	@$(BIN)/npm audit --package-lock-only

mutants: setup ## mutation testing of activator, ledger, CRL engine and rate limiter (half an hour; ONLY=activator.on_refusal for one module)
	@$(BIN)/python -m tools.mutants $(ONLY)

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/mypy

format: setup ## format and fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet . || true
	@$(BIN)/ruff format .

# Not after `setup`, which fails while `pyproject.toml` asks for what is not locked yet.
lock: $(BIN)/uv ## lock the dependencies again, with their hashes (UPGRADE=--upgrade for newer versions)
	@$(COMPILE) pyproject.toml $(UNIVERSAL) --all-extras --generate-hashes $(UPGRADE) -o requirements.lock
	@cd $(BUNDLING) && $(COMPILE) functions.in --constraint $(CURDIR)/requirements.lock \
		--python-version 3.13 --python-platform aarch64-manylinux_2_28 --only-binary :all: \
		--generate-hashes --no-annotate -o functions.lock
	@echo hatchling | $(COMPILE) - --constraint requirements.lock $(UNIVERSAL) --no-annotate \
		| $(BIN)/python tools/build_requirements.py
	@cd tests/packaging && $(COMPILE) pips.in $(UNIVERSAL) --generate-hashes --no-annotate $(UPGRADE) -o pips.lock
	@$(BIN)/npm install --package-lock-only --silent

$(BIN)/uv:
	@$(PYTHON) tools/setup.py

clean: ## remove what the commands above made
	rm -rf $(VENV) node_modules cdk.out .jitr build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
