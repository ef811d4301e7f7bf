# One word a need; `make` lists them. Needs git, make and Python 3.11 or later.

PYTHON ?= python3
DATA ?= data
PORT ?= 8080
SEED ?= 1
SEEDS ?= 1-100000
DRILL_SECONDS ?= 10
SOAK_SEEDS ?= 3

BIN := .venv/bin
# Made once for each pyproject.toml: what runs Glassplate, and what else its developers need.
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# What is compiled is kept, whatever the shell says: else each of many processes compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: bench bench-edge bench-frozen-mirror bench-images bench-info bench-journey bench-purge bench-repair
.PHONY: bench-signing
.PHONY: check clean compose-test drill golden help planted simulate soak soak-images soak-simulation
.PHONY: test up

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(RUNTIME) ## run it all on this machine until Ctrl-C (DATA=data PORT=8080)
	@proxy_config/install-servers.sh
	@$(BIN)/glassplate up --data '$(DATA)' --port $(PORT)

check: $(DEV) ## lint, format, types, import directions, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_tidy.py tests/test_tidy_rules.py

test: $(DEV) ## every test
	@proxy_config/install-servers.sh test
	$(BIN)/python -m tests

compose-test: $(DEV) ## really run compose.yaml, with podman, as root
	@proxy_config/install-servers.sh compose
	@$(BIN)/pip install -qq --editable '.[compose]'
	@tests/deploy/debian_images/make-images.sh
	$(BIN)/python -m tests.deploy.run_compose

bench: ## every bench; fails where a median is under its floor
	@$(MAKE) --no-print-directory --keep-going bench-journey bench-edge

bench-journey: $(DEV) ## each step of a photo's journey, against the least it could be
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.journey

bench-edge: $(DEV) ## reading through the edge, against serving the bare file
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.edge

bench-purge: $(DEV) ## how soon after a delete no edge serves any size, of 1,000 photos
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.purge

bench-repair: $(DEV) ## copying a mirror anew, in photos and in bytes a second
	$(BIN)/python -m bench.repair

bench-signing: $(DEV) ## permission URLs signed a second by one core
	$(BIN)/python -m bench.signing

bench-frozen-mirror: $(DEV) ## how long a mirror that freezes delays uploads
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.frozen_mirror

bench-images: $(DEV) ## making sizes, against Pillow and libvips; photos through the whole chain
	@$(BIN)/pip install -qq --editable '.[bench]'
	$(BIN)/python -m bench.images

bench-info: $(DEV) ## pages of 100 photos, with memcached against without
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.info_pages

drill: $(DEV) ## break clusters in the ways that stand for all, and check every promise
	@proxy_config/install-servers.sh test
	$(BIN)/glassplate drill --duration $(DRILL_SECONDS) --report drills

soak: soak-images soak-simulation ## broken photos, 100000 histories, every drill with seed after seed (SOAK_SEEDS=3)
	@proxy_config/install-servers.sh test
	for seed in $$(seq $(SOAK_SEEDS)); do \
	  $(BIN)/glassplate drill --all --duration 60 --seed $$seed --report drills/$$seed || exit 1; done

soak-images: $(DEV) ## 200000 broken photos (GLASSPLATE_FUZZ_SEED=1871)
	GLASSPLATE_FUZZ_FILES=$${GLASSPLATE_FUZZ_FILES:-200000} \
	  $(BIN)/python -m pytest -q -s tests/imageworker/sandbox/test_fuzz_decoders.py

simulate: $(DEV) ## one simulated history, told (SEED=1)
	$(BIN)/python -m tests.simulation --seed $(SEED)

soak-simulation: $(DEV) ## many simulated histories on all cores (SEEDS=1-100000)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

planted: $(DEV) ## plant every known bug, one at a time, and print who finds it
	@proxy_config/install-servers.sh test
	$(BIN)/python -m tests.planted

golden: $(DEV) ## write the golden files anew, to be read in the diff
	@for script in tests/*/make_golden_*.py; do echo $$script; $(BIN)/python $$script || exit 1; done
	@git --no-pager diff --stat -- tests

clean: ## remove all that make made; the photos in data/ stay
	rm -rf .venv build dist bench/results *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is not Python 3.11 or later; name another: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(INSTALL_VENV_MODULE)
	$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }

# HEIC and SIMD are extras, because their wheels do not exist for every Python and processor. What is never
# imported need not be compiled: that is a third of the time, and the rest is compiled, once, when it is.
INSTALL = $(BIN)/pip install -qq --no-compile
$(RUNTIME): pyproject.toml | $(BIN)/python
	@echo 'Installing Python packages into .venv'
	$(INSTALL) --editable .
	@$(INSTALL) --only-binary pillow-heif --editable '.[heic]' 2>/dev/null || \
	  echo "There is no pillow-heif wheel here: HEIC photos are kept, and no sizes are made of them." >&2
	@$(INSTALL) --only-binary cykooz-resizer --editable '.[simd]' 2>/dev/null || \
	  echo "There is no cykooz-resizer wheel here: sizes take twice as long to make." >&2
	@touch $@

$(DEV): pyproject.toml $(RUNTIME)
	$(INSTALL) --editable '.[dev]'
	@touch $@

# Debian keeps `venv` apart from Python.
VENV_PACKAGE = $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
SUDO = $$([ "$$(id -u)" -eq 0 ] || echo sudo -n)
define INSTALL_VENV_MODULE
{ echo "Installing $(VENV_PACKAGE)" >&2; \
  { $(SUDO) apt-get -qq update; $(SUDO) env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq --yes --no-install-recommends install $(VENV_PACKAGE); } >/dev/null 2>&1 </dev/null || \
  { echo "$(PYTHON) cannot make virtual environments. Run: sudo apt-get install $(VENV_PACKAGE)" >&2; exit 1; }; }
endef
