SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup repro eval diff plan profile predict export submission audit workings squad
.PHONY: remote share-check push pull published
.PHONY: test test-full verify fuzz vulnerabilities bench lint format lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-15s %s\n", $$1, $$2}'

# The lock is complete, so pip resolves nothing (`--no-deps`): its resolver trips over extras in hash mode.
# Everything that is said here goes to standard error: `make audit` prints JSON and nothing else.
$(READY): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not on PATH; set PYTHON=..." >&2; exit 1; }
	@echo "setting up $(VENV): 3.3 GB, a few minutes the first time" >&2
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) >&2
	@$(VENV)/bin/python -m pip install --require-hashes --no-deps --progress-bar on -r requirements.lock >&2
	@touch $@

setup: $(READY) ## make the virtual environment, of exact versions

repro: $(READY) ## run all that has changed, then print the table: [PROFILE=name]
	@python -m stages.mend && python -m stages.check $${PROFILE:+--profile "$$PROFILE"}
	@dvc $(if $(PROFILE),exp run -S "profile=$$PROFILE",repro) report
	@python -m stages.report --metrics metrics --print

eval: $(READY) ## bring the evaluation up to date and print one table
	@python -m stages.mend && python -m stages.check
	@dvc repro -q report
	@python -m stages.report --metrics metrics --print

diff: $(READY) ## compare metrics, sorted: FROM=HEAD TO=workspace
	@set -o pipefail; dvc metrics diff --json $${FROM:+"$$FROM"} $${TO:+"$$TO"} | python -m stages.diff

plan: $(READY) ## what a run would be, without a device: [PROFILE=name]
	@python -m stages.plan $${PROFILE:+--profile "$$PROFILE"}

profile: $(READY) ## a profile for a base model of your own: FROM=folder-or-gguf NAME=x [DEVICE=CPU] [REPLACE=1]
	@test -n "$$FROM" -a -n "$$NAME" || { echo "error: FROM=folder-or-gguf and NAME=x are needed" >&2; exit 2; }
	@python -m stages.profile --from "$$FROM" --name "$$NAME" $${DEVICE:+--device "$$DEVICE"} $${REPLACE:+--replace}

predict: $(READY) ## answer a file of problems: CHECKPOINT=5 INPUT=file OUTPUT=file
	@test -n "$$CHECKPOINT" -a -n "$$INPUT" -a -n "$$OUTPUT" || \
		{ echo "error: CHECKPOINT=n, INPUT=file and OUTPUT=file are needed" >&2; exit 2; }
	@python -m stages.answer --base data/base --adapter "checkpoints/$$CHECKPOINT" \
		--input "$$INPUT" --output "$$OUTPUT"

export: $(READY) ## whole weights, MindSpore's and Hugging Face's: CHECKPOINT=5 [OUT=exports/5]
	@test -n "$$CHECKPOINT" || { echo "error: CHECKPOINT=n is missing" >&2; exit 2; }
	@python -m stages.export --adapter "checkpoints/$$CHECKPOINT" --out "$${OUT:-exports/$$CHECKPOINT}"

submission: $(READY) ## what the contest asks for: [OUT=submission] [WEIGHTS=1]
	@python -m stages.submission --out "$${OUT:-submission}" $${WEIGHTS:+--with-weights}

audit: $(READY) ## check a file's published solutions: RAW=file
	@test -n "$$RAW" || { echo "error: RAW=file is missing" >&2; exit 2; }
	@python -m stages.audit "$$RAW"

workings: $(READY) ## show what a recipe writes: RAW=file WORKINGS=exact [DECIMALS=4]
	@test -n "$$RAW" || { echo "error: RAW=file is missing" >&2; exit 2; }
	@python -m stages.workings $${WORKINGS:+--workings "$$WORKINGS"} $${DECIMALS:+--decimals "$$DECIMALS"} "$$RAW"

squad: $(READY) ## put the real SQuAD dev file in place: FROM=path, or from its public address
	@python -m stages.squad $${FROM:+--from "$$FROM"}

remote: $(READY) ## the bucket to share through: BUCKET=x REGION=cn-southwest-2 [PREFIX=x] [READONLY=1] [LOGIN=1]
	@python -m stages.remote $${BUCKET:+--bucket "$$BUCKET"} $${REGION:+--region "$$REGION"} \
		$${PREFIX:+--prefix "$$PREFIX"} $${ENDPOINT:+--endpoint "$$ENDPOINT"} $${CA:+--ca "$$CA"} \
		$${READONLY:+--readonly} $${LOGIN:+--login}

share-check: $(READY) ## try the bucket out, and hold its objects to dvc.lock: [FULL=1]
	@python -m stages.share_check $${FULL:+--full}

push: $(READY) ## share data, checkpoints and results: [CHECKPOINT=3] [REPAIR=1]
	@python -m stages.push $${CHECKPOINT:+--checkpoint "$$CHECKPOINT"} $${REPAIR:+--repair}

pull: $(READY) ## get what was shared, every object verified: [CHECKPOINT=3]
	@python -m stages.pull $${CHECKPOINT:+--checkpoint "$$CHECKPOINT"}

published: $(READY) ## import the reference's published files: [NAME=train-v2.json] [FROM=https://mirror] [LIST=1]
	@python -m stages.published $${NAME:+--name $$NAME} $${FROM:+--from "$$FROM"} $${LIST:+--list}

test: $(READY) ## all tests but the slow ones
	@python -m pytest -n 2 --dist loadfile -m "not slow"

test-full: $(READY) ## all tests
	@python -m pytest -n 2 --dist loadfile

fuzz: $(READY) ## damaged inputs for all readers and scorers: [N=1000000] [SEED=1] [TARGET=name]
	@python -m tests.fuzz $${N:+--inputs "$$N"} $${SEED:+--seed "$$SEED"} $${TARGET:+--target "$$TARGET"}
	@test -n "$$TARGET" || python -m tests.fuzz.coverage --inputs $$(($${N:-1000000} / 5)) $${SEED:+--seed "$$SEED"}

vulnerabilities: $(READY) ## compare the pinned packages with those known to be vulnerable: [SERVICE=osv]
	@python -m stages.vulnerabilities $${SERVICE:+--service "$$SERVICE"}

verify: $(READY) ## run all of it again in a temporary clone, compare with dvc.lock: [CORES=1] [KEEP=folder]
	@python -m stages.verify $${CORES:+--cores "$$CORES"} $${KEEP:+--keep "$$KEEP"}

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
