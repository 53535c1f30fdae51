# The one door to this repository: `make help` lists what it can do. Every target does its own set-up, so that a fresh
# clone needs Rust, CPython 3.11 or newer, make and a C linker, and nothing else.

PYTHON ?=
VENV ?= .venv
PROGRAMS ?= 2000

python := $(VENV)/bin/python
stamps := $(VENV)/stamps
rust_sources := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml

# rustup installs here, and a shell that was open at the time does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# PyO3 must ask this interpreter and no other: the first python3 on PATH may be of another version.
export PYO3_PYTHON := $(CURDIR)/$(python)
# These would lead the interpreter, or the build, to somebody else's environment.
unexport CONDA_PREFIX PYTHONHOME PYTHON_SYS_EXECUTABLE PYO3_CONFIG_FILE

.DEFAULT_GOAL := help
.PHONY: help run test programs bench wheel lint docs conformance clean build FORCE

help:
	@echo "make run             all examples, on asyncio and on aioxide, compared in one table"
	@echo "make run APP=x.py    your program on aioxide (its arguments: ARGS='...')"
	@echo "make test            every test: engine, loom, Python, and CPython's own asyncio tests"
	@echo "make programs        random programs of tasks and primitives, fresh ones each time (PROGRAMS=2000 for each family)"
	@echo "make conformance     CPython's own asyncio tests on every CPython found, 3.11 to 3.15 (ARGS='--files test_streams')"
	@echo "make bench           aioxide beside asyncio, uvloop and rloop (ARGS='...')"
	@echo "make wheel           the wheel for the chosen Python, optimised by a profile, in target/wheels"
	@echo "make lint            formatting, lints, types, the stub, the house rules"
	@echo "make docs            documentation of the Rust crates, under target/doc"
	@echo "make build           only the set-up: $(VENV) with the extension, built in release"
	@echo "make clean           remove everything that was built"
	@echo
	@echo "PYTHON=/path/to/python chooses the interpreter; otherwise the newest one found is taken."

run: build $(stamps)/test
ifdef APP
	@$(python) -m aioxide $(APP) $(ARGS)
else
	@$(python) examples/run_all.py $(ARGS)
endif

test: build $(stamps)/test
	@$(python) tools/run_tests.py

programs: build $(stamps)/test
	@AIOXIDE_PROGRAMS=$(PROGRAMS) AIOXIDE_TASK_PROGRAMS=$(PROGRAMS) \
		$(python) -m pytest -o faulthandler_timeout=0 -k "random_program" \
		tests/differential tests/unit/test_task_programs.py $(ARGS)

conformance: $(VENV)/pyvenv.cfg
	@$(python) tests/conformance/matrix.py $(ARGS)

bench: $(stamps)/profiled $(stamps)/bench
	@$(python) benches/run.py $(ARGS)

wheel: $(stamps)/dev
	@tools/find-profiler
	$(python) -m maturin build --release --pgo --locked --interpreter $(python)

lint: build $(stamps)/test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	set -e; for version in 3.11 3.12 3.13 3.14 3.15; do $(python) -m mypy --python-version $$version tests/typing; done
	$(python) tools/check_stub.py
	$(python) -m mypy.stubtest aioxide --allowlist tests/typing/allowlist.txt
	$(python) -m pytest tests/tidy --quiet

# For those who work on the crates: private items are shown, and may be linked to. A broken link is an error; those
# between Markdown pages are found by tests/tidy.
docs: build
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items --locked
	@echo "Rust: target/doc/aioxide_engine/index.html. Users' documentation: docs/README.md"

clean:
	rm -rf target $(VENV) .mypy_cache .pytest_cache .ruff_cache
	rm -f python/aioxide/_core.*.so
	find benches examples python tests tools -name __pycache__ -prune -exec rm -rf {} +

build: $(stamps)/extension

# Whether an environment is still good cannot be told from the age of a file, so it is asked each time; when it had to
# be made anew, its new pyvenv.cfg makes every stamp below it old.
$(VENV)/pyvenv.cfg: FORCE
	@command -v cargo >/dev/null || { echo "Rust is missing: see https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C linker is missing: on Debian, apt install gcc" >&2; exit 1; }
	@tools/make-venv $(VENV) $(PYTHON)

$(stamps)/%: requirements/%.txt requirements/constraints.txt $(VENV)/pyvenv.cfg
	$(python) -m pip install --quiet --disable-pip-version-check -r $<
	@mkdir -p $(stamps)
	@touch $@

$(stamps)/test: requirements/examples.txt

$(stamps)/extension: $(rust_sources) $(stamps)/dev
	$(python) -m maturin develop --release --locked
	@touch $@

# Built twice: once with counters, to learn from the programs in tools/training what is hot, and once by what was learnt.
# It takes the place of the other one, and is as good a build for everything else.
$(stamps)/profiled: $(rust_sources) $(wildcard tools/training/*.py) $(stamps)/dev
	@tools/find-profiler
	$(python) -m maturin develop --pgo --locked
	@touch $(stamps)/extension $@

FORCE:
