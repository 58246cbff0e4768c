# `make dev`, `make test` and `make demo` install what they need; `make check` only checks.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.ready
# What each test that proves a statement of docs/faults.md came to, and the table of it.
FAULTS := build/faults.jsonl
TABLE := $(RUN)/python -m tests.fault_table $(FAULTS)
# Two pairs of guests run side by side: each pair keeps one core busy.
LANES := -q -n 2 --dist worksteal --fault-report $(FAULTS)

# A tool that is missing is skipped with a word, but not in CI and not in `make test`.
define run-tool
	@echo "$(1) $(2)"; if command -v $(1) >/dev/null; then $(1) $(2); \
	elif [ -z "$$CI$$LAB_REQUIRED" ]; then echo "SKIPPED: $(1) is not installed; make dev installs it"; \
	else echo "$(1) is not installed" >&2; exit 1; fi
endef

.PHONY: help dev check test lab lab-package lab-deps demo bench torture mutants generated pictures deb check-purge rpm collection clean
help:
	@echo "make demo     the whole story on two virtual machines"
	@echo "make dev      install what development needs: into .venv, and with apt"
	@echo "make check    lint, types, unit and property tests: minutes; skips what it cannot run"
	@echo "make test     all of it, the virtual machines included; skips nothing"
	@echo "make torture  the long matrices    make bench  times, side by side"
	@echo "make deb      the Debian package, in dist/    make rpm  the rpm, likewise"
	@echo "make check-purge  the Debian package in clean chroots, with piuparts"
	@echo "make collection  the Ansible collection, checked with ansible-test, in dist/"
	@echo "make pictures the terminal pictures of the documents, recorded anew in the lab"
	@echo "make mutants  do the tests notice each change in what guards data?"

$(STAMP): setup.cfg pyproject.toml tests/install-deps
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -q && $$sudo apt-get install -y -q python3-venv; }
	tests/install-deps
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check setuptools wheel
	$(RUN)/pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[dev]'
	@touch $@

dev: $(STAMP)

# With the tools of .venv, or else those of PATH. Without pytest there is nothing to check.
check: export PATH := $(CURDIR)/$(RUN):$(PATH)
check:
	$(call run-tool,ruff,check .)
	$(call run-tool,ruff,format --check .)
	$(call run-tool,mypy)
	@command -v pytest >/dev/null || { echo "pytest is not installed: make dev" >&2; exit 1; }
	pytest -q $(if $(wildcard $(STAMP)),-n 2) --fault-report $(FAULTS) tests/unit tests/property

# The guests are prepared while the quick tests run. A test that is skipped fails here.
test torture lab lab-package: export LAB_REQUIRED := 1
test: lab-deps
	rm -f $(FAULTS)
	$(MAKE) --no-print-directory -O -j3 check ready-bookworm ready-trixie
	$(RUN)/pytest -q tests/packaging
	$(RUN)/pytest $(LANES) tests/lab
	$(TABLE) --partial > build/faults-results.md

lab: lab-deps
	$(RUN)/pytest $(LANES) tests/lab

lab-package: lab-deps
	LAB_PACKAGE=1 LAB_SUITES=bookworm $(RUN)/pytest $(LANES) tests/lab \
	  --ignore tests/lab/test_package.py

lab-deps: $(STAMP)
	tests/lab/install-deps

ready-%: $(STAMP)
	$(RUN)/python -m tests.lab ready --suite $*

demo: lab-deps
	$(RUN)/python -m tests.lab.demo

bench: $(STAMP)
	$(RUN)/python -m tests.bench

torture: lab-deps
	rm -f $(FAULTS)
	status=0; \
	HYPOTHESIS_PROFILE=torture $(RUN)/pytest -q -n 2 tests/unit tests/property \
	  --fault-report $(FAULTS) || status=1; \
	TORTURE=1 $(RUN)/pytest -q tests/packaging || status=1; \
	TORTURE=1 $(RUN)/pytest $(LANES) tests/lab || status=1; \
	$(TABLE) || status=1; \
	exit $$status

mutants: $(STAMP)
	$(PYTHON) -m venv $(VENV)/mutants
	$(VENV)/mutants/bin/pip install --quiet --disable-pip-version-check \
	  mutmut pytest hypothesis click rich pyudev pexpect zxcvbn
	rm -rf mutants
	$(VENV)/mutants/bin/mutmut run
	$(VENV)/mutants/bin/mutmut results

generated: $(STAMP)
	$(RUN)/python -m tools.completions completions
	$(RUN)/python -m tools.man_pages docs/man
	$(RUN)/python -m tests.fault_table --update
	$(RUN)/python -m tools.pictures

# What the terminal pictures of the documents show, recorded anew on two virtual machines.
pictures: lab-deps
	$(RUN)/python -m tests.lab.pictures

deb:
	packaging/build-deb dist
	lintian --allow-root --pedantic --display-info --fail-on error,warning,pedantic dist/*.changes
	@ls dist/*.deb

# The package in clean chroots: installed and purged, nothing may be left. Needs root and a mirror.
check-purge: deb
	packaging/check-purge dist/iscsictl_*_all.deb bookworm trixie

rpm:
	packaging/build-rpm dist
	@ls dist/*.rpm

collection: $(STAMP)
	PATH="$(abspath $(RUN)):$$PATH" packaging/build-collection --sanity dist

clean:
	rm -rf $(VENV) build dist mutants *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
