# What people run. `make run` serves a journal; `make test` proves everything.
.DEFAULT_GOAL := help
.PHONY: help run test lint unit schemathesis fuzz bench openapi schema-docs tools

help: ## Show these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: ## Build everything and serve the journal on SQLite
	@scripts/tools compiler
	cargo run --release --locked --package sotto -- serve

test: lint unit schemathesis fuzz ## Run all checks and tests, on both engines

lint: ## Formatting, clippy, licences and sources of dependencies
	@scripts/tools compiler cargo-deny
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo deny --locked check bans licenses sources

unit: ## Unit, conformance, API and command-line tests, beside a throwaway PostgreSQL
	@scripts/tools compiler postgres node sqlite
	# The tests kill clients, never the server or the machine, so its fsync would only cost time.
	SOTTO_POSTGRES_OPTIONS="-c fsync=off" scripts/with-postgres cargo test --locked --workspace

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

openapi: ## Write openapi.json anew from the code
	cargo run --locked --quiet --package sotto -- openapi > openapi.json.new
	mv openapi.json.new openapi.json

schema-docs: ## Write docs/schema.md anew from the migrations
	@scripts/tools compiler postgres
	cargo build --locked --quiet --package sotto
	scripts/with-postgres sh -c 'SOTTO_DATABASE=$$SOTTO_TEST_POSTGRES $${CARGO_TARGET_DIR:-target}/debug/sotto db erd --page' > docs/schema.md.new
	mv docs/schema.md.new docs/schema.md

tools: ## Install what the other targets need
	@scripts/tools compiler postgres node sqlite cargo-deny schemathesis
