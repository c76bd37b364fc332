# Everything a person needs, as one word each. Needs only make and Python 3.11, 3.12 or 3.13; the Spark engine Java 17 too.

VENV ?= .venv
PYTHON ?=
ARGS ?=
RUN := $(VENV)/bin/python
UV ?= $(RUN) -m uv
CORE := $(VENV)/.installed-core
LAB := $(VENV)/.installed-lab
FULL := $(VENV)/.installed-full
BENCH := $(VENV)/.installed-bench
SCAN := $(VENV)-scan/.installed
LOCKED = --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
COMPILE = @$(UV) pip compile pyproject.toml $(LOCKED)
# PyIceberg's own command line asks for these.
COMPILE_EMR = @$(UV) pip compile --group emr $(LOCKED) \
	$(foreach name,click rich pygments markdown-it-py mdurl requests charset-normalizer,--no-emit-package $(name))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo lab check test evidence pumps faults bench infra scan aws-smoke aws-emulate rooms site lint format types lock clean

help: ## Print this help
	@echo "coattail: every public crypto trade, neither lost nor doubled, and alerts anyone can check"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 | \2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-20s%s\n' "$$name" "$$text"; done

setup: $(FULL) ## Install everything into .venv
	@$(RUN) -m coattail.spark.jars --if-possible
	@echo "ready: try $(VENV)/bin/coattail --help"

demo: $(CORE) ## Install what is needed and show trades becoming alerts on a simulated market
	@$(RUN) -m coattail demo $(ARGS)

lab: $(LAB) ## Open JupyterLab with the notebooks, on the home of the demo
	@$(RUN) -m coattail notebook lab $(ARGS)

check: $(FULL) lint types ## The quick loop: style, types and the quick unit tests, stop at the first failure
	$(RUN) -m pytest tests/unit -q -x -n auto -m "not spark and not slow" $(ARGS)

test: $(FULL) lint types ## Style, types and every test
	@$(RUN) -m coattail.spark.jars --if-possible
	$(RUN) -m pytest -q -n auto --dist loadgroup $(ARGS)

bench: $(BENCH) ## Measure against budgets and other tools (what has no row yet: make bench ARGS=--missing)
	@$(RUN) -m coattail.spark.jars --if-possible
	@code=0; $(RUN) -m pytest benchmarks -q -s $(ARGS) || code=$$?; \
	$(RUN) -m benchmarks.report docs/PERFORMANCE.md $(ARGS) && exit $$code

evidence: $(FULL) ## Measure the detectors anew and write docs/EVIDENCE.md (labelled series too: make evidence ARGS="--nab FOLDER")
	$(RUN) -m tools.evidence_page docs/EVIDENCE.md $(ARGS)

pumps: $(FULL) ## Write the sections about recorded pumps and quiet markets (anew: make pumps ARGS="--recorded FOLDER --lists FOLDER --quiet-days 90")
	$(RUN) -m tools.recorded_page docs/EVIDENCE.md $(ARGS)

faults: $(FULL) ## Break it in every way of docs/RELIABILITY.md and write its table (one: make faults ARGS="-k r12")
	$(RUN) -m faults $(ARGS)

infra: $(FULL) ## Check infra/: format, validity, its tests, policies on the plan, scanners if installed; nothing is asked of AWS
	@$(RUN) -m tools.infra
	$(RUN) -m pytest tests/unit/infra -q $(ARGS)

scan: $(CORE) $(SCAN) ## Look at infra/ with trivy and checkov, which are installed into an environment of their own
	@$(RUN) -m tools.scan

aws-smoke: $(FULL) ## Try an environment of AWS in thirteen checks, on an emulation (a minute); in an account: coattail aws smoke
	@$(RUN) -m coattail aws smoke --emulated $(ARGS)

aws-emulate: $(FULL) ## Make all of infra/ on an emulation, land, judge, tell, stop and remove it (R31; some six minutes)
	$(RUN) -m faults -k r31 $(ARGS)

rooms: $(FULL) ## Draw the parts of the package with their imports, and the pictures of AWS: docs/img/
	$(RUN) -m tools.rooms docs/img/rooms.svg
	$(RUN) -m tools.diagrams docs/img

site: $(FULL) ## Run the notebooks and build the documentation as a site: build/site/index.html
	$(RUN) -m tools.site build/site $(ARGS)

lint: $(FULL) ## Look at style only
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(FULL) ## Put the code into its format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

types: $(FULL) ## Check types only
	$(RUN) -m mypy

lock: ## Resolve the dependencies anew (upgrade all: make lock ARGS=--upgrade)
	@$(UV) --version >/dev/null || { echo "error: no uv; run make setup first, or name one: make lock UV=uv" >&2; exit 1; }
	$(COMPILE) --group build $(ARGS) -o requirements-core.lock
	$(COMPILE) --group build --extra lab -c requirements-core.lock $(ARGS) -o requirements-lab.lock
	$(COMPILE) --group build --extra lab --extra dev --extra docs --extra aws --extra spark \
		-c requirements-lab.lock $(ARGS) -o requirements.lock
	$(COMPILE) --group build --extra lab --extra dev --extra docs --extra aws --extra spark --extra bench \
		-c requirements.lock $(ARGS) -o requirements-bench.lock
	$(COMPILE_EMR) -c requirements.lock $(ARGS) -o requirements-emr.lock
	@$(UV) pip compile --group lambda $(LOCKED) -c requirements.lock $(ARGS) -o requirements-lambda.lock
	@$(UV) pip compile --group scan $(LOCKED) $(ARGS) -o requirements-scan.lock

clean: ## Remove .venv, caches and builds; your data in .coattail stays
	rm -rf $(VENV) $(VENV)-scan build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find coattail tests tools faults benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Each installation contains the one before it, with the same versions, so one .venv serves all.

$(RUN):
	@python=""; \
	for candidate in $(if $(PYTHON),$(PYTHON),python3.11 python3.12 python3.13 python3); do \
		if $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; then \
			python=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "error: no Python 3.11, 3.12 or 3.13 found; install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import venv, ensurepip' >/dev/null 2>&1; then \
		echo "error: $$python has no venv module; install it (Debian, Ubuntu: apt install python3-venv) or name another: make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv --clear $(VENV)

$(CORE): requirements-core.lock pyproject.toml | $(RUN)
	@$(call install,requirements-core.lock)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(LAB): requirements-lab.lock $(CORE)
	@$(call install,requirements-lab.lock)
	@touch $@

$(FULL): requirements.lock $(CORE)
	@$(call install,requirements.lock,--no-build-isolation,: PySpark alone is a download of 0.4 GB)
	@touch $@

$(BENCH): requirements-bench.lock $(FULL)
	@$(call install,requirements-bench.lock)
	@touch $@

# Scanners want what coattail needs in older versions, so they have an environment of their own.
$(SCAN): requirements-scan.lock | $(RUN)
	@$(RUN) -m venv --clear $(VENV)-scan
	@$(call install,requirements-scan.lock,,,$(VENV)-scan)
	@touch $@

# Install a lock file, into .venv or another environment: one line that counts at a terminal, pip's own words only if it
# fails. PySpark is built by the setuptools that the core brought with a hash: without build isolation nothing else is
# fetched.
define install
total=$$(grep -c '^[a-zA-Z]' $(1)); echo "installing $(1)$(3)"; \
{ $(or $(4),$(VENV))/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off $(2) --require-hashes -r $(1) 2>&1; \
	echo "exit $$?"; } | tee $(or $(4),$(VENV))/pip.log | { \
	count=0; code=1; \
	while IFS= read -r line; do case "$$line" in \
		Collecting*|"Requirement already"*) count=$$((count + 1)); what="looked at $$count of up to $$total packages" ;; \
		*"Downloading pyspark"*) what="downloading PySpark, 0.4 GB" ;; \
		"Building wheel for pyspark"*) what="building PySpark; this may take a minute" ;; \
		"Installing collected"*) what="unpacking; this may take a minute" ;; \
		"exit "*) code=$${line#exit }; what="" ;; \
		esac; \
		if [ -t 1 ]; then printf '\r  %-50s' "$$what"; fi; \
	done; \
	if [ -t 1 ]; then printf '\r%-52s\r' ""; fi; \
	if [ "$$code" != 0 ]; then \
		tail -n 15 $(or $(4),$(VENV))/pip.log >&2; echo "error: $(1) could not be installed; all of it: $(or $(4),$(VENV))/pip.log" >&2; \
	fi; \
	exit "$$code"; }
endef
