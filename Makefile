SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
READY := $(VENV)/.ready
READY_TEST := $(VENV)/.ready-test
READY_PEERS := .venv-peers/.ready
# A ready-file names the place of its environment; after a rename it is another, and setup mends the scripts.
MOVED := $(shell test "$$(head -n 1 $(READY) 2>/dev/null)" = "$$(readlink -f $(VENV))" || echo moved)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Names of files are UTF-8 whatever the locale says.
export PYTHONUTF8 := 1

# Every file of abacus/commands is a target; `make help` prints what their docstrings say.
COMMANDS := $(subst _,-,$(patsubst abacus/commands/%.py,%,$(filter-out %/__init__.py,$(wildcard abacus/commands/*.py))))
# What was typed on make's own command line, as words for a shell: what a login shell exports is not meant for us. A `$`
# in it is the user's own. (A line break would end the recipe's line.)
define newline


endef
quoted = '$(if $(findstring $(newline),$(value $1)),$(error $1 has a line break, expected one line))$(subst ','\'',$(value $1))'
given = $(foreach v,$(filter-out MAKE% -% PYTHON,$(.VARIABLES)),$(if $(filter command,$(origin $v)),$v=$(call quoted,$v)))
typed = $(if $(filter command,$(origin $1)),$2 $(call quoted,$1))

# The targets below take these variables; the commands say of theirs what is unknown.
OWN := help setup test test-full fuzz vulnerabilities bench docs lint format lock clean
TAKES_setup := SYSTEM_MINDSPORE
TAKES_fuzz := N SEED TARGET
TAKES_vulnerabilities := SERVICE
TAKES_bench := ONLY PAIRS BEFORE
TAKES_docs := BUILD
TAKES_lock := UPGRADE WHEELS
TAKES := $(foreach goal,$(MAKECMDGOALS),$(TAKES_$(goal)))
ifeq ($(filter-out $(OWN),$(MAKECMDGOALS)),)
$(foreach v,$(filter-out MAKE% -% PYTHON $(TAKES),$(.VARIABLES)),$(if $(filter command,$(origin $v)),$(error $v is no variable of make $(or $(MAKECMDGOALS),help), expected $(or $(TAKES),none))))
endif

.PHONY: $(OWN) $(COMMANDS) moved

help: $(READY) ## show this list
	@python -m abacus --help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %s\n    %s\n", $$1, $$2}'

$(COMMANDS): $(READY)
	@python -m abacus $@ $(given)

# Everything that is said here goes to standard error: `make audit` prints JSON and nothing else.
$(READY): environment/run.lock $(MOVED)
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "error: PYTHON=$(PYTHON): found none on PATH, expected a Python 3.11; name another: PYTHON=/path" >&2; exit 1; }
	@"$(PYTHON)" environment/setup.py

$(READY_TEST): $(READY) environment/test.lock
	@"$(PYTHON)" environment/setup.py --test

$(READY_PEERS): $(READY) environment/peers.lock
	@"$(PYTHON)" environment/setup.py --peers

moved:

setup: $(READY) ## make the virtual environment, of exact versions: [PYTHON=python3.11] [SYSTEM_MINDSPORE=1]

test: $(READY_TEST) ## all tests but the slow ones
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-full: $(READY_TEST) ## all tests
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

fuzz: $(READY_TEST) ## damaged inputs for all readers and scorers: [N=1000000] [SEED=1] [TARGET=name]
	@python -m tests.fuzz $(call typed,N,--inputs) $(call typed,SEED,--seed) $(call typed,TARGET,--target)
	@$(if $(filter command,$(origin TARGET)),true,python -m tests.fuzz.coverage $(call typed,N,--inputs) $(call typed,SEED,--seed))

vulnerabilities: $(READY_TEST) ## compare the pinned packages with those known to be vulnerable: [SERVICE=osv]
	@python -m pip_audit --strict --no-deps --disable-pip --progress-spinner off -r environment/run.lock -r environment/test.lock \
		$(call typed,SERVICE,--vulnerability-service)

bench: $(READY_PEERS) ## measure speed and memory beside what a user would pick instead: [ONLY=name,...] [PAIRS=n] [BEFORE=commit]
	@python -m benchmarks $(call typed,ONLY,--only) $(call typed,PAIRS,--pairs) $(call typed,BEFORE,--before)

docs: $(READY_TEST) ## serve the pages of docs/ on this machine, with their pictures drawn anew: [BUILD=1, into .scratch/site instead]
	@python -m docs.draw && NO_MKDOCS_2_WARNING=1 python -m mkdocs $(if $(filter-out 0 no false off,$(BUILD)),build --quiet,serve)

lint: $(READY_TEST) ## ruff, and mypy --strict on the modules that carry data
	@python -m ruff check . && python -m ruff format --check . && python -m mypy

format: $(READY_TEST) ## ruff, in place
	@python -m ruff check --fix . && python -m ruff format .

# Versions stay unless pyproject.toml forbids them; UPGRADE=1 takes the newest. test.lock has what run.lock has not.
COMPILE = python -m uv pip compile pyproject.toml --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
# The peers' torch is a build for CPUs on x86-64, from its own index or, with WHEELS, from a folder.
CPU_WHEELS = $(if $(WHEELS),--find-links $(WHEELS),--index https://download.pytorch.org/whl/cpu)
lock: $(READY_TEST) ## renew environment/*.lock from pyproject.toml: [UPGRADE=1] [WHEELS=folder of torch's build for CPUs]
	@$(COMPILE) -o environment/run.lock
	@$(COMPILE) --extra test -c environment/run.lock -o environment/test.lock \
		$$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' environment/run.lock)
	@sed -i '/^# The following packages were excluded/,$$d' environment/test.lock
	@python -m uv pip compile --group peers --quiet --generate-hashes --python-version 3.11 \
		--python-platform x86_64-manylinux_2_28 --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) \
		$(CPU_WHEELS) -o environment/peers.lock

clean: ## remove scratch folders and logs; keeps data, checkpoints and the environment
	rm -rf .scratch logs
