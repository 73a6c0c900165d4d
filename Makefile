# What people run. `make run` serves a journal; `make test` proves everything.
.DEFAULT_GOAL := help
.PHONY: help run test lint types web unit e2e schemathesis fuzz bench quality openapi schema-docs tools

# The app that the binary takes in, and what it is made of. Folders as well: they tell when a file goes.
app := web/dist/index.html
app_sources := $(shell find web -name node_modules -prune -o -name dist -prune -o ! -path web -print)

help: ## Show these targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: $(app) ## Build everything and serve the journal on SQLite
	@scripts/tools compiler
	cargo run --release --locked --package sotto -- serve

$(app): $(app_sources)
	@scripts/tools web
	npm run --prefix web build

test: lint web unit e2e schemathesis fuzz ## Run all checks and tests, on both engines

lint: types ## Formatting, types, clippy, licences and sources of dependencies
	@scripts/tools compiler cargo-deny
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo deny --locked check bans licenses sources

types: # Of the web app and its client, which is generated from openapi.json, and of the tests in a browser.
	@scripts/tools e2e
	npm run --prefix web generate -- --check
	npm run --prefix web check
	npm run --prefix e2e check

web: types $(app) ## The web app: types, unit tests, build, and how much is loaded before the sign-in
	npm run --prefix web test

unit: ## Unit, conformance, API and command-line tests, beside a throwaway PostgreSQL
	@scripts/tools compiler postgres node sqlite
	# The tests kill clients, never the server or the machine, so its fsync would only cost time.
	SOTTO_POSTGRES_OPTIONS="-c fsync=off" scripts/with-postgres cargo test --locked --workspace

e2e: $(app) ## The binary and its app in a browser, on both engines
	@scripts/tools compiler postgres e2e browser
	cargo build --locked --package sotto
	cd e2e && SOTTO_BIN=$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/sotto SOTTO_WEB_DIR=binary \
		../scripts/with-postgres npm run test:all

schemathesis: ## Hostile requests, made from openapi.json, against a running server
	@scripts/tools compiler schemathesis
	cargo build --locked --package sotto
	scripts/schemathesis

fuzz: ## Whatever comes to their mind, to every parser of secret tags, for 10 seconds each
	@scripts/tools compiler
	scripts/fuzz

bench: ## Measure against the machine's limits (takes a while; see docs/benchmarks.md)
	@scripts/tools compiler postgres
	scripts/bench

quality: $(app) ## Measure the first pages with Lighthouse (see docs/frontend-quality.md)
	@scripts/tools compiler quality browser
	cargo build --release --locked --package sotto
	cd e2e && SOTTO_BIN=$(abspath $(or $(CARGO_TARGET_DIR),target))/release/sotto SOTTO_WEB_DIR=binary npm run quality

openapi: ## Write openapi.json anew from the code, and the typed client from that
	@scripts/tools web
	cargo run --locked --quiet --package sotto -- openapi > openapi.json.new
	mv openapi.json.new openapi.json
	npm run --prefix web generate

schema-docs: ## Write docs/schema.md anew from the migrations
	@scripts/tools compiler postgres
	cargo build --locked --quiet --package sotto
	scripts/with-postgres sh -c 'SOTTO_DATABASE=$$SOTTO_TEST_POSTGRES $${CARGO_TARGET_DIR:-target}/debug/sotto db erd --page' > docs/schema.md.new
	mv docs/schema.md.new docs/schema.md

tools: ## Install what the other targets need
	@scripts/tools compiler postgres node sqlite e2e browser cargo-deny schemathesis
