# Needs make and Python 3.10 or newer with its venv module; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

UV := .cache/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.10 \
  --generate-hashes --no-header --no-emit-index-url
LOCK := $(COMPILE) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo test check docs site rule bench fuzz wheel lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## Create .venv with everything for development

demo: $(VENV)/.run ## Lint the bundled example, an Istio shop
	@echo '$$ meshlint examples/shop'
	@$(BIN)/python -m meshlint examples/shop; code=$$?; echo; echo "exit code $$code"; \
	test $$code -eq 0 || test $$code -eq 1

test: $(VENV)/.dev ## Run the tests (ARGS='-k name' to select)
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev ## Formatting, lint, types, layers, generated documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m meshlint.docgen --check

docs: $(VENV)/.dev ## Regenerate the generated pages: rules, checklist, references, man page
	$(BIN)/python -m meshlint.docgen

site: $(VENV)/.docs ## Build the documentation site into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

rule: $(VENV)/.dev ## Scaffold a rule: make rule CATEGORY=... ID=...
	$(BIN)/python -m meshlint.scaffold $(CATEGORY) $(ID)

bench: $(VENV)/.dev ## Run the benchmarks
	$(BIN)/python benchmarks/run.py

fuzz: $(VENV)/.dev ## Lint changed documents (ARGS='--documents 10000 --seed 7')
	$(BIN)/python tools/fuzz.py $(ARGS)

wheel: $(VENV)/.dev ## Build the sdist, and from it the wheel, into dist/
	$(BIN)/python -m build

lock: $(UV) ## Renew the lock files: the newest versions for every Python and platform
	$(LOCK) --upgrade --extra dev --output-file requirements-dev.lock
	$(LOCK) --upgrade --constraints requirements-dev.lock --output-file requirements.lock
	$(COMPILE) --upgrade --group docs --constraints requirements-dev.lock --output-file requirements-docs.lock

clean: ## Remove .venv and everything built
	rm -rf $(VENV) build dist .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The demo runs from the checkout, so it needs the run-time libraries and nothing else.
$(VENV)/.run: requirements.lock | $(BIN)/python
	$(PIP) install --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes --requirement requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

# One environment for both: the locks agree on what they share.
$(VENV)/.docs: requirements-docs.lock $(VENV)/.dev
	$(PIP) install --require-hashes --requirement requirements-docs.lock
	@touch $@

$(UV):
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip --disable-pip-version-check --quiet install uv
