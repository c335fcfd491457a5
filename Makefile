# The two commands are `make demo` and `make test`; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The packages whose code is checked; tests and benchmarks are linted too.
PACKAGES := firmware_bridge edge_agent broker models perfuse

.DEFAULT_GOAL := help
.PHONY: help demo test test-other-runtime check soak format nightly benchmarks chaos clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.demo  ## install, then run a whole federation here on real recordings
	$(BIN)/perfuse demo

test: $(VENV)/.dev debian  ## install, then lint, types, import rules and all tests
	$(MAKE) --no-print-directory check
	$(MAKE) --no-print-directory test-other-runtime
	$(BIN)/python -m pytest

# Up to Python 3.11 TFLite is tflite-runtime, above it is ai-edge-litert: the training tests run on
# both where an interpreter of either kind is to be had.
test-other-runtime:  ## the training tests under the other TFLite runtime, where there is a Python for it
	@other=$$(sh tests/other_python.sh $(BIN)/python); \
	if [ -z "$$other" ]; then echo "no Python for the other TFLite runtime here: its tests are skipped"; exit 0; fi; \
	test -x $(VENV)-other/bin/python || "$$other" -m venv $(VENV)-other; \
	$(VENV)-other/bin/python -m pip --disable-pip-version-check --quiet install \
		--constraint requirements/constraints.txt --editable . pytest hypothesis; \
	$(VENV)-other/bin/python -c 'import sys; from models.interpreter import runtime_name; print("Python", sys.version.split()[0], "with", runtime_name())'; \
	$(VENV)-other/bin/python -m pytest tests/models

check: $(VENV)/.dev  ## lint, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

SOAK_SEEDS ?= 10000
soak: $(VENV)/.dev  ## play 10,000 federations with faults in virtual time (SOAK_SEEDS=N for another number)
	$(BIN)/perfuse soak --seeds $(SOAK_SEEDS) --processes $$(nproc)

format: $(VENV)/.dev  ## let ruff write the code's layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Atheris has no wheel for every Python, QEMU no place on every machine: what is missing is said and
# skipped. More that takes long goes here.
NIGHTLY_SECONDS ?= 600
nightly: $(VENV)/.dev debian  ## soaks, fuzzing, WFDB; the real bluetoothd in QEMU
	$(BIN)/python benchmarks/replay_soak.py
	$(BIN)/python benchmarks/sensors.py
	test -x $(VENV)-wfdb/bin/python || $(PYTHON) -m venv $(VENV)-wfdb
	$(VENV)-wfdb/bin/python -m pip --disable-pip-version-check --quiet install \
		--constraint requirements/constraints.txt --editable '.[wfdb]' pytest hypothesis
	$(VENV)-wfdb/bin/python -m pytest tests/firmware_bridge/test_session_wfdb.py
	PERFUSE_FUZZ_EXAMPLES=200000 $(BIN)/python -m pytest tests/firmware_bridge/test_profiles.py
	@if $(PIP) install atheris >/dev/null 2>&1; then \
		$(BIN)/python tests/fuzz/fuzz_decoders.py .fuzz-corpus -max_total_time=$(NIGHTLY_SECONDS); \
	else echo "skipped: there is no atheris for this Python"; fi
	$(BIN)/python tests/nightly/qemu_bluetoothd.py

benchmarks: $(VENV)/.dev  ## print what a gateway costs (see benchmarks/ for the others)
	$(BIN)/python benchmarks/footprint.py

chaos: $(VENV)/.dev debian  ## 1,000 processes killed, one a round; takes about an hour and a half
	$(BIN)/perfuse chaos --kills 1000 --report chaos.json

clean:  ## remove what these commands have made
	rm -rf $(VENV) $(VENV)-other $(VENV)-wfdb demo-run .fuzz-corpus build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The tests run against the brokers that people deploy; without them they run against amqtt alone.
# Those of Bluetooth run against a message bus of their own; without dbus-daemon they are skipped.
.PHONY: debian
debian:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
			! { test -x /usr/sbin/mosquitto && test -x /usr/sbin/nats-server && command -v dbus-daemon >/dev/null; }; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq mosquitto nats-server dbus-daemon >/dev/null; \
		if command -v systemctl >/dev/null; then systemctl disable --now mosquitto nats-server >/dev/null 2>&1 || true; fi; \
	fi

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "perfuse needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

# seglearn and scikit-learn are data to us: what they depend on is not installed.
$(VENV)/.demo: pyproject.toml requirements/constraints.txt requirements/recordings.txt | $(BIN)/python
	$(PIP) install --constraint requirements/constraints.txt --editable '.[sim]' amqtt
	$(PIP) install --no-deps --requirement requirements/recordings.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.demo requirements/images.txt
	$(PIP) install --constraint requirements/constraints.txt --editable '.[dev]'
	$(PIP) install --no-deps --requirement requirements/images.txt
	@touch $@
