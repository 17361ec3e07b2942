# `make` alone lists the targets. Missing Debian packages are installed by the targets that need them.

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-continuation soak fuzz fmt lint docs book pictures schema tools servers

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## Run a small authorization server, the gateway and a client on loopback
	@.ci/need cmake
	cargo run --example demo

test: tools servers ## Install what the tests need, then run them all
	cargo test

bench: ## Measure speed and memory against nginx
	@.ci/need cmake
	tests/bench/run

bench-continuation: ## Measure the rewriting of a redirect of 4 KiB
	@.ci/need cmake
	cargo bench --quiet --bench continuation

soak: tools ## Log in over two replicas for SOAK_SECONDS (600) while something fails every 20 s
	PARAPET_VOLUME=full cargo test --test it replicas:: -- --test-threads 1 --nocapture
	cargo bench --quiet --bench soak

fuzz: ## Give every parser odd input, each for FUZZ_SECONDS (20)
	@.ci/need cmake pkg-config libssl-dev
	fuzz/run

fmt: ## Format the code
	cargo fmt

lint: ## Check format and lints
	@.ci/need cmake
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --no-default-features -- -D warnings

docs: ## Write docs/configuration.md and docs/conformance.md anew and build the documentation of the code
	@.ci/need cmake
	cargo run --quiet -- config docs > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md
	PARAPET_WRITE_DOCS=1 cargo test --quiet --test it conformance::the_document
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps

pictures: ## Make the pictures in docs/images anew
	@.ci/need cmake chromium chromium-driver
	PARAPET_WRITE_DOCS=1 cargo test --quiet --test it watch::picture

book: ## Make a book of the documents in target/book
	docs/book/build

schema: ## Write gateway.schema.json anew
	@.ci/need cmake
	cargo run --quiet -- config schema > gateway.schema.json.new
	mv gateway.schema.json.new gateway.schema.json

# A browser for the tests that click, and a Redis.
tools:
	@.ci/need cmake chromium chromium-driver python3-venv redis-server

# Real authorization servers and clients; installed once, outside the tree.
servers:
	@for install in tests/idp/*/install; do $$install || exit; done
