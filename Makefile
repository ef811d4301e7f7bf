# `make` lists the targets. Needs git, make, and Python 3.11 or later.

# Empty: python3, or Debian's if python3 is built without optimization.
PYTHON ?=
DATA ?= data
PORT ?=
SEED ?= 1
SEEDS ?= 1-100000
DRILL_SECONDS ?= 10
SOAK_SEEDS ?= 3
JOBS ?= 1
GALLERY_PORT ?= 8060
FILES ?= 10000

BIN := .venv/bin
# Stamps of the installed packages: to run Glassplate, and to develop it.
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Keep compiled modules whatever the shell says, or each of many processes compiles all its imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: bench bench-edge bench-frozen-mirror bench-images bench-info bench-journey bench-moves bench-purge
.PHONY: bench-repair bench-scale bench-scale-edges bench-signing bench-sizes bench-upload-steps
.PHONY: check clean compose-test drill gallery golden help lock mutants planted simulate soak soak-images soak-simulation
.PHONY: test up

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(RUNTIME) ## run a whole cluster until Ctrl-C (DATA=data PORT=8080 URLS=1: every URL)
	@proxy_config/install-servers.sh
	@$(BIN)/glassplate up --data '$(DATA)' $(if $(PORT),--port $(PORT)) $(if $(URLS),--urls)

gallery: $(RUNTIME) ## run the example site beside `make up` (DATA=data GALLERY_PORT=8060)
	@examples/gallery/start.sh '$(DATA)' '$(GALLERY_PORT)'

check: $(DEV) ## check lint, format, types, import directions, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_tidy.py tests/test_tidy_rules.py

test: $(DEV) ## run every test
	@proxy_config/install-servers.sh test
	$(BIN)/python -m tests

compose-test: $(DEV) ## run compose.yaml with podman, as root
	@proxy_config/install-servers.sh compose
	@tests/deploy/debian_images/make-images.sh
	$(BIN)/python -m tests.deploy.run_compose

bench: ## run the main benches; fail if a median is below its floor
	@$(MAKE) --no-print-directory --keep-going bench-journey bench-edge

bench-journey: $(DEV) ## measure each step of a photo's journey against its lower bound
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.journey

bench-edge: $(DEV) ## measure reads through the edge against bare files from nginx
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.edge

bench-moves: $(DEV) ## measure plans of moves with 300 nodes, rates of copies, and new maps
	$(BIN)/python -m bench.moves
	$(BIN)/python -m bench.map_spread

bench-purge: $(DEV) ## measure the time from 1,000 deletes until no edge serves a size
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.purge

bench-repair: $(DEV) ## measure the repair of an empty mirror, in photos and bytes per second
	$(BIN)/python -m bench.repair

bench-scale: $(DEV) ## measure how costs grow with files and volumes (FILES=10000: at 1x)
	$(BIN)/python -m bench.scale --files $(FILES)
	$(BIN)/python -m bench.scale_fence
	$(BIN)/python -m bench.scale_sweep
	$(BIN)/python -m bench.scale_scrub
	$(BIN)/python -m bench.scale_status
	$(BIN)/python -m bench.scale_idle

bench-scale-edges: $(DEV) ## measure render, check, and reload of edges with 50,000 volumes
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.scale_edges

bench-signing: $(DEV) ## measure permission URLs signed per second on one core
	$(BIN)/python -m bench.signing

bench-upload-steps: $(DEV) ## measure placement and jobs, in small and large clusters
	$(BIN)/python -m bench.upload_steps

bench-sizes: $(DEV) ## measure the time from an upload to its ten sizes, and each step of it
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.time_to_sizes

bench-frozen-mirror: $(DEV) ## measure the delay of uploads when a mirror freezes
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.frozen_mirror

bench-images: $(DEV) ## measure sizes against Pillow and libvips, and the whole chain
	@$(BIN)/pip install -qq --editable '.[bench]'
	$(BIN)/python -m bench.images

bench-info: $(DEV) ## measure lookups of 100 photos with and without memcached
	@proxy_config/install-servers.sh test
	$(BIN)/python -m bench.batch_lookup

drill: $(DEV) ## break clusters by the representative faults, and check every promise
	@proxy_config/install-servers.sh test
	$(BIN)/glassplate drill --duration $(DRILL_SECONDS) --report drills

soak: soak-images soak-simulation mutants ## run broken photos, 100,000 histories, mutants, all drills (SOAK_SEEDS=3)
	@proxy_config/install-servers.sh test
	for seed in $$(seq $(SOAK_SEEDS)); do \
	  $(BIN)/glassplate drill --all --duration 60 --seed $$seed --report drills/$$seed || exit 1; done

soak-images: $(DEV) ## decode 200,000 broken photos (GLASSPLATE_FUZZ_SEED=1871)
	GLASSPLATE_FUZZ_FILES=$${GLASSPLATE_FUZZ_FILES:-200000} \
	  $(BIN)/python -m pytest -q -s tests/imageworker/sandbox/test_fuzz_decoders.py

simulate: $(DEV) ## print one simulated history (SEED=1)
	$(BIN)/python -m tests.simulation --seed $(SEED)

soak-simulation: $(DEV) ## run many simulated histories on all cores (SEEDS=1-100000)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

planted: $(DEV) ## plant every known bug, one at a time, and print what finds it
	@proxy_config/install-servers.sh test
	$(BIN)/python -m tests.planted

mutants: $(DEV) ## mutate what carries the promises, and print what survives (MODULE=fence JOBS=1)
	@proxy_config/install-servers.sh test
	$(BIN)/python -m tests.mutants --jobs $(JOBS) $(if $(MODULE),--module $(MODULE))

golden: $(DEV) ## rewrite the golden files, for review in the diff
	@for script in tests/*/make_golden_*.py; do echo $$script; $(BIN)/python $$script || exit 1; done
	@git --no-pager diff --stat -- tests

clean: ## remove everything that make created, except the photos in data/
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
