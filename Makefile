# `make` lists the targets. The scripts behind them remember what is already done (see scripts/common.sh),
# so that every target can be run again at once.

.DEFAULT_GOAL := help
BIN := .venv/bin
UNIT := not browser and not media
ARGS ?=

.PHONY: help setup setup-test run test check format faults bench docs screenshots proto lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the server needs: Debian packages, .venv, browser pages
	@scripts/setup.sh run

setup-test: ## Install what the tests need as well: Chromium, PostgreSQL, Redis, coturn, OpenSSH
	@scripts/setup.sh test

run: setup ## Set up, start the server and print its URLs (options: ARGS="--port 9000")
	@exec $(BIN)/parley serve $(ARGS)

test: setup-test ## Set up and run everything: format, lint, types, documentation, all tests
	@scripts/test.sh

check: ## Before each commit: format, lint, types, import directions, fast tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_imports.py
	$(BIN)/pytest -q -n 2 --dist worksteal -m "$(UNIT)"

format: ## Put the Python code into its standard form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

faults: setup-test ## Run only the tests that kill, pause or cut something
	$(BIN)/python -m tests.netns $(BIN)/pytest -m faults $(ARGS)

bench: setup-test ## Measure the design's figures on this machine and print the ratios
	$(BIN)/python -m bench $(ARGS)

docs: ## Generate the reference pages and build the documentation into site/
	@scripts/docs.sh

screenshots: setup-test ## Take the pictures of the documentation from this build
	@.venv/bin/python -m tests.netns .venv/bin/python -m tests.browser.screenshots

proto: ## Compile the RealtimeKit client schema to Python
	@scripts/generate_proto.sh

lock: ## Resolve the Python dependencies anew and write the lock files
	@scripts/lock.sh

clean: ## Remove everything that was built or installed in this folder; data stays
	rm -rf .venv web/node_modules src/parley/web/dist site docs/reference \
		clients/typescript/node_modules clients/typescript/dist \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
