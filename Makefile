# Each target works alone on a machine that has Python 3.11 or newer, make and nothing else.
.DEFAULT_GOAL := help
.PHONY: help demo test lint ci run captures prices-coverage bench bench-store docs fix lock clean

BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## See it work: an instrumented app, its priced calls, its bill (no network, no key)
	@$(BIN)/otel-usage demo $(ARGS)

test: $(READY) ## Run the tests (ARGS="-k word" to choose)
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

lint: $(READY) ## Check style, types and import directions
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --output-format concise --quiet . || { echo "'make fix' formats"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

ci: ## What CI runs: lint, then test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test

run: $(READY) ## Start the server (settings: docs/reference/configuration.md)
	@$(BIN)/otel-usage serve $(ARGS)

captures: $(READY) ## Compare the bill of every captured telemetry file with the truth (folder: CAPTURES)
	@$(BIN)/python -m tests.captures $(ARGS)

prices-coverage: $(READY) ## Show which models of a long list have a price, and what price sources disagree about
	@$(BIN)/python -m tools.price_coverage

bench: $(READY) ## Measure the hot path and the server, as ratios to naive baselines
	@$(BIN)/python -m bench $(ARGS)

bench-store: $(READY) ## Measure the store, as ratios to FINAL over the same rows (ROWS=10000000)
	@$(BIN)/python -m bench store --rows $(or $(ROWS),10000000) $(ARGS)

docs: $(READY) ## Write the generated pages of docs/reference again
	@$(BIN)/python -m tools.views
	@$(BIN)/python -m tools.reference

fix: $(READY) ## Format, and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

lock: $(READY) ## Resolve the dependencies again (ARGS=--upgrade for the newest)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	    --custom-compile-command "make lock" --output-file requirements.lock $(ARGS) pyproject.toml

clean: ## Remove everything that can be made again
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml tools/venv.sh
	@tools/venv.sh
	@touch $@
