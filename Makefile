# The commands of the project. `make run` starts a server; `make test` runs all checks and tests.
.DEFAULT_GOAL := help
.PHONY: help run test lint format types web unit e2e schemathesis fuzz deny outdated bare faults bench soak abuse quality openapi schema-docs tools

# The web app that is built into the program, and its sources. Folders are listed as well, because their times show when a file
# is deleted.
app := web/dist/index.html
app_sources := $(shell find web -name node_modules -prune -o -name dist -prune -o ! -path web -print)
# Builds the program as the tests need it. With another selection of packages, Cargo would choose other features and compile
# nearly everything again.
build_for_tests := cargo test --locked --workspace --no-run

help: ## Show these targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: ## Build everything and serve the journal on SQLite
	@scripts/tools compiler web
	@$(MAKE) --no-print-directory $(app)
	cargo run --release --locked --package sotto -- serve

$(app): $(app_sources)
	@scripts/tools web
	npm run --prefix web build

# Tools are checked first, so that missing ones are reported before anything is built.
test: tools ## Run all checks and tests, on both engines
	+@scripts/parts lint web unit e2e schemathesis fuzz

lint: types ## Formatting, types, ESLint, clippy, documentation, licences and sources of dependencies
	@scripts/tools compiler python
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links -A rustdoc::bare_urls" \
		cargo doc --locked --workspace --no-deps --document-private-items
	web/node_modules/.bin/prettier --check --log-level warn .
	scripts/dependencies

format: ## Format all Rust, TypeScript, Svelte and CSS
	@scripts/tools compiler web
	cargo fmt --all
	web/node_modules/.bin/prettier --write --log-level warn .

types: # Types and ESLint of the web app, of its client (generated from openapi.json) and of the browser tests
	@scripts/tools e2e
	npm run --prefix web generate -- --check
	npm run --prefix web check
	npm run --prefix e2e check

web: $(app) ## The web app: unit tests, build, and how much is loaded before the sign-in
	npm run --prefix web test

unit: ## Unit, conformance, API and command-line tests, beside a throwaway PostgreSQL
	@scripts/tools compiler postgres node sqlite python proxies faketime
	# The tests kill clients, never the server or the machine, so its fsync would only cost time.
	# Most of them wait for processes and databases, so twice as many run at once as there are cores.
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} SOTTO_POSTGRES_OPTIONS="-c fsync=off" \
		scripts/with-postgres cargo test --locked --workspace

e2e: $(app) ## The binary and its app in a browser, on both engines
	@scripts/tools compiler postgres e2e browser
	$(build_for_tests)
	cd e2e && SOTTO_BIN=$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/sotto SOTTO_WEB_DIR=binary \
		../scripts/with-postgres npm run test:all

schemathesis: ## Hostile requests, made from openapi.json, against a running server
	@scripts/tools compiler schemathesis
	$(build_for_tests)
	scripts/schemathesis

fuzz: ## Whatever comes to their mind, to every parser of secret tags, for 10 seconds each
	@scripts/tools compiler
	scripts/fuzz

deny: ## cargo-deny itself, with its advisories: needs network, and builds cargo-deny once
	@scripts/tools compiler
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
	cargo deny --locked check

outdated: ## Name the locked packages that are behind their newest version; needs network
	@scripts/tools compiler e2e
	cargo update --dry-run --verbose
	cargo update --dry-run --verbose --manifest-path fuzz/Cargo.toml
	-npm outdated --prefix web
	-npm outdated --prefix e2e

bare: ## The README's two commands on a bare Debian 12 and 13, as root and as an ordinary user (see scripts/bare)
	scripts/bare

faults: ## Kill, freeze and starve real processes, for half an hour; needs root for full disks (see docs/reliability.md)
	@scripts/tools compiler postgres sqlite proxies faketime faults
	scripts/with-postgres scripts/faults

bench: ## Measure against the machine's limits (takes a while; see docs/benchmarks.md)
	@scripts/tools compiler postgres
	scripts/bench

soak: ## Minutes of mixed load: memory, log, descriptors and p99 (SOTTO_SOAK_MINUTES=5, SOTTO_SOAK_ENGINE=sqlite or postgres)
	@scripts/tools compiler postgres
	scripts/bench soak

abuse: ## Attack a server on each engine, and write what its other users notice into docs/reliability.md (half an hour)
	@scripts/tools compiler postgres
	scripts/bench abuse --markdown docs/reliability.md

quality: $(app) ## Measure the first pages with Lighthouse (see docs/frontend-quality.md)
	@scripts/tools compiler quality browser
	cargo build --release --locked --package sotto
	cd e2e && SOTTO_BIN=$(abspath $(or $(CARGO_TARGET_DIR),target))/release/sotto SOTTO_WEB_DIR=binary npm run quality

openapi: ## Generate openapi.json from the code, and the typed client from openapi.json
	@scripts/tools web
	cargo run --locked --quiet --package sotto -- openapi > openapi.json.new
	mv openapi.json.new openapi.json
	npm run --prefix web generate

schema-docs: ## Generate docs/schema.md from the migrations
	@scripts/tools compiler postgres
	cargo build --locked --quiet --package sotto
	scripts/with-postgres sh -c 'SOTTO_DATABASE=$$SOTTO_TEST_POSTGRES $${CARGO_TARGET_DIR:-target}/debug/sotto db erd --page' > docs/schema.md.new
	mv docs/schema.md.new docs/schema.md

tools: ## Install what the other targets need
	@scripts/tools compiler postgres node sqlite e2e browser python schemathesis proxies faketime faults
