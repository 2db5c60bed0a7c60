SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup repro eval diff audit workings squad test test-full bench lint format lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

# The lock is complete, so pip resolves nothing (`--no-deps`): its resolver trips over extras in hash mode.
# Everything that is said here goes to standard error: `make audit` prints JSON and nothing else.
$(READY): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not on PATH; set PYTHON=..." >&2; exit 1; }
	@echo "setting up $(VENV): 3.3 GB, a few minutes the first time" >&2
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) >&2
	@$(VENV)/bin/python -m pip install --require-hashes --no-deps --progress-bar on -r requirements.lock >&2
	@touch $@

setup: $(READY) ## make the virtual environment, of exact versions

repro: $(READY) ## run all that has changed, then print the table
	@python -m stages.check
	@dvc repro report
	@python -m stages.report --metrics metrics --print

eval: $(READY) ## bring the evaluation up to date and print one table
	@python -m stages.check
	@dvc repro -q report
	@python -m stages.report --metrics metrics --print

diff: $(READY) ## compare metrics, sorted: FROM=HEAD TO=workspace
	@set -o pipefail; dvc metrics diff --json $${FROM:+"$$FROM"} $${TO:+"$$TO"} | python -m stages.diff

audit: $(READY) ## check a file's published solutions: RAW=file
	@test -n "$$RAW" || { echo "error: RAW=file is missing" >&2; exit 2; }
	@python -m stages.audit "$$RAW"

workings: $(READY) ## show what a recipe writes: RAW=file WORKINGS=exact [DECIMALS=4]
	@test -n "$$RAW" || { echo "error: RAW=file is missing" >&2; exit 2; }
	@python -m stages.workings $${WORKINGS:+--workings "$$WORKINGS"} $${DECIMALS:+--decimals "$$DECIMALS"} "$$RAW"

squad: $(READY) ## put the real SQuAD dev file in place: FROM=path, or from its public address
	@python -m stages.squad $${FROM:+--from "$$FROM"}

test: $(READY) ## all tests but the slow ones
	@python -m pytest -m "not slow"

test-full: $(READY) ## all tests
	@python -m pytest

bench: $(READY) ## measure speeds beside a peer's
	@python -m tests.bench

lint: $(READY) ## ruff
	@ruff check . && ruff format --check .

format: $(READY) ## ruff, in place
	@ruff check --fix . && ruff format .

lock: $(READY) ## renew requirements.lock from pyproject.toml
	@python -m pip install -q uv && uv pip compile pyproject.toml --extra dev --generate-hashes --universal \
		--python-version 3.11 -q -o requirements.lock

clean: ## remove scratch folders and logs; keeps data, checkpoints and the environment
	rm -rf .scratch logs
