# One word a need; `make` lists them. Needs git, make and Python 3.11 or later.

PYTHON ?= python3
DATA ?= data
PORT ?= 8080
SEED ?= 1
SEEDS ?= 1-100000
DRILL_SECONDS ?= 10
SOAK_SEEDS ?= 3

BIN := .venv/bin
# Made once for each lock: what runs Glassplate, and what else its developers need.
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# What is compiled is kept, whatever the shell says: else each of many processes compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: bench bench-edge bench-frozen-mirror bench-images bench-info bench-journey bench-purge bench-repair
.PHONY: bench-signing
.PHONY: check clean compose-test drill golden help lock planted simulate soak soak-images soak-simulation
.PHONY: test up

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(RUNTIME) ## run it all here until Ctrl-C (DATA=data PORT=8080 URLS=1: every URL)
	@proxy_config/install-servers.sh
	@$(BIN)/glassplate up --data '$(DATA)' --port $(PORT) $(if $(URLS),--urls)

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
	$(BIN)/python -m bench.batch_lookup

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

# Packages have the versions and hashes that requirements/ pins; `make lock` writes it.
$(RUNTIME): pyproject.toml requirements/server.lock requirements/optional.lock
	@PYTHON='$(PYTHON)' deploy/install-packages.sh .venv server
	@touch $@

$(DEV): pyproject.toml requirements/dev.lock requirements/optional.lock
	@PYTHON='$(PYTHON)' deploy/install-packages.sh .venv dev
	@touch $(RUNTIME) $@

LIST_OPTIONAL = import tomllib; project = tomllib.load(open("pyproject.toml", "rb")); \
  extras = project["project"]["optional-dependencies"]; \
  print(*extras["heic"], *extras["simd"], *project["dependency-groups"]["install"], sep="\n")
LOCK = $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command 'make lock'
lock: $(DEV) ## pin all packages that pyproject.toml needs (UPGRADE=--upgrade)
	$(LOCK) pyproject.toml --extra server --group build --output-file requirements/server.lock
	$(LOCK) pyproject.toml --extra dev --extra compose --group build \
	  --constraints requirements/server.lock --output-file requirements/dev.lock
	$(BIN)/python -c '$(LIST_OPTIONAL)' | $(LOCK) --no-deps --output-file requirements/optional.lock -
