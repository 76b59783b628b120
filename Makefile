# make demo      a real cloud on this machine, and one live update on it      make demo REBOOT=1 adds an ordinary reboot beside it
# make test      everything that CI runs                                       make test-fast     what needs no lab
# make lab-up / lab-down / lab-status / lab-reset
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: demo test test-fast test-databases test-lab test-all check lab-up lab-down lab-status lab-reset setup bench

setup: .venv/made
.venv/made: pyproject.toml constraints.txt
	$(PYTHON) -m lab.packages venv-tools
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[server,cli,test]'
	touch $@

lab-up:
	$(PYTHON) -m lab up
lab-down:
	$(PYTHON) -m lab down
lab-status:
	$(PYTHON) -m lab status
lab-reset:
	$(PYTHON) -m lab reset

demo: setup
	$(PYTHON) -m lab up
	$(BIN)/python -m lab.demo $(if $(REBOOT),--reboot)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-fast: setup
	$(PYTEST) -m "not lab and not databases" -n auto

test-databases: setup
	$(PYTHON) -m lab.packages test-databases
	$(PYTEST) -m databases

test-lab: setup
	$(PYTHON) -m lab up
	$(PYTEST) -m lab tests

test: check test-fast test-databases
	trap '$(PYTHON) -m lab down' EXIT; $(MAKE) test-lab
