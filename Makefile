# What people run. `make run` serves a journal; `make test` proves everything.
.DEFAULT_GOAL := help
.PHONY: help run test lint unit schemathesis bench openapi tools

help: ## Show these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: ## Build everything and serve the journal on SQLite
	@scripts/tools compiler
	cargo run --release --locked --package sotto -- serve

test: lint unit schemathesis ## Run all checks and tests, on both engines

lint: ## Formatting, clippy, licences and sources of dependencies
	@scripts/tools compiler cargo-deny
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo deny --locked check bans licenses sources

unit: ## Unit, conformance, API and command-line tests, beside a throwaway PostgreSQL
	@scripts/tools compiler postgres
	# The tests kill clients, never the server or the machine, so its fsync would only cost time.
	SOTTO_POSTGRES_OPTIONS="-c fsync=off" scripts/with-postgres cargo test --locked --workspace

schemathesis: ## Hostile requests, made from openapi.json, against a running server
	@scripts/tools compiler schemathesis
	cargo build --locked --package sotto
	scripts/schemathesis

bench: ## Measure against the machine's limits (takes a while; see docs/benchmarks.md)
	@scripts/tools compiler postgres
	scripts/bench

openapi: ## Write openapi.json anew from the code
	cargo run --locked --quiet --package sotto -- openapi > openapi.json.new
	mv openapi.json.new openapi.json

tools: ## Install what the other targets need
	@scripts/tools compiler postgres cargo-deny schemathesis
