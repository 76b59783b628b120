# make demo      a real cloud on this machine, and a live update on it, with the proof   (REBOOT=1: and a reboot beside)
# make preview   a real cloud on this machine, and the preview of an update on it
# make test      everything that CI runs                 make test-fast     what needs no lab
# make test-all  and the scenarios that take CI too long
# make test-faults  every fault in every step of an update, on three databases, in the lab and on real guests (3 h)
# make test-faults-lab, test-faults-guests  those parts of it which need the lab, and real guests in it
# make soak      thousands of jobs by 1, 2, 4 workers; some are killed, the broker restarts (a quarter of an hour)
# make soak-hour as many jobs as one worker does in an hour, in which it may not grow
# make bench-engine  durable steps per second, beside other engines
# make bench-api     requests per second, beside the lab's Keystone and Nova
# make bench-lists   a list's deepest page beside its first, of 100,000 jobs and 1,000,000 events
# make docs      build/docs/index.html                    make audit     known holes in what we depend on
# make lab-up / lab-down / lab-status / lab-reset
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

# the tests start programs by the dozen: what they import is compiled once, not by each
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench-engine bench-api bench-lists docs demo preview test test-all test-fast test-image test-databases test-faults test-faults-guests test-faults-lab test-lab test-lab-all soak soak-hour check audit lab-up lab-down lab-status lab-reset setup

bench-engine: setup
	$(PYTHON) -m lab.packages postgresql
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e ".[bench]"
	$(BIN)/python -m tests.bench.engine

bench-api: setup lab-up
	$(PYTHON) -m lab.packages mariadb-server
	OS_CLIENT_CONFIG_FILE=lab/state/clouds.yaml $(BIN)/python -m tests.bench.api

bench-lists: setup
	$(PYTHON) -m lab.packages mariadb-server postgresql
	$(BIN)/python -m tests.bench.lists

setup: .venv/made
.venv/made: pyproject.toml constraints.txt
	$(PYTHON) -m lab.packages python3-venv openssh-server
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

demo: setup lab-up
	OS_CLIENT_CONFIG_FILE=lab/state/clouds.yaml $(BIN)/python -m lab.demo $(if $(REBOOT),--reboot)

preview: setup lab-up
	OS_CLIENT_CONFIG_FILE=lab/state/clouds.yaml $(BIN)/python -m lab.demo.preview

docs: setup
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r liveupdate

# asks the advisories' databases, which only a machine on the Internet reaches: not part of check, nor of CI's gates
audit: setup
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --disable-pip --no-deps -r constraints.txt

test-fast: setup
	$(PYTEST) -q -n auto --dist worksteal -m "not lab and not databases and not long"

test-image: setup
	$(PYTEST) -q -m "long and not lab and not databases"

test-databases: setup
	$(PYTHON) -m lab.packages libfaketime mariadb-server nftables postgresql rabbitmq-server
	$(PYTEST) -q -m databases

# FAULTS_SEED=N repeats what chance has chosen in another run
test-faults: setup
	$(PYTHON) -m lab.packages mariadb-server postgresql
	$(BIN)/python -m tests.faults $(FAULTS_SEED)
	$(MAKE) test-faults-lab
	$(MAKE) test-faults-guests

test-faults-lab: setup lab-up
	OS_CLIENT_CONFIG_FILE=lab/state/clouds.yaml $(BIN)/python -m tests.faults.lab $(FAULTS_SEED)

test-faults-guests: setup lab-up
	$(PYTEST) -v -m lab tests/scenarios/test_surrogate.py tests/scenarios/test_one_voice.py tests/scenarios/test_no_room.py

# SOAK="JOBS KILLS RESTARTS SEED" repeats another run
soak: setup
	$(PYTHON) -m lab.packages postgresql rabbitmq-server
	$(BIN)/python -m tests.soak $(SOAK)

soak-hour: setup
	$(PYTHON) -m lab.packages postgresql rabbitmq-server
	$(BIN)/python -m tests.soak hour

test-lab: setup lab-up
	$(PYTHON) -m lab.packages postgresql
	$(PYTEST) -v --durations=20 -m "lab and not long"

test-lab-all: setup lab-up
	$(PYTHON) -m lab.packages postgresql
	$(PYTEST) -v --durations=20 -m lab

# the lab goes down again, however its tests end
test: check docs test-fast test-image test-databases
	$(MAKE) test-lab; code=$$?; $(PYTHON) -m lab down; exit $$code

test-all: check docs test-fast test-image test-databases
	$(MAKE) test-lab-all; code=$$?; $(PYTHON) -m lab down; exit $$code
