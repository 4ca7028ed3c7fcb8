# `make help` lists the targets. Requirements: Node ≥ 20, npm and make. The pinned Node 24 is a
# development dependency and comes first on PATH.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

INSTALLED := node_modules/.installed
SOURCES := $(shell find cmd lib -name '*.ts' -not -name '*.test.ts' 2>/dev/null)

.PHONY: help demo test fuzz e2e e2e-full faults soak bench bench-compare build image release release-check lint format chart manifests docs site clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): package.json package-lock.json
	npm ci
	@touch $@

dist/.built: $(SOURCES) tools/build/main.ts $(INSTALLED)
	node tools/build/main.ts
	@touch $@

build: dist/.built ## Bundle each program into one file below dist/

demo: dist/.built ## Show an agent that works without a key of the cloud (no cluster needed)
	@node demo/main.ts $(ARGS)

test: dist/.built ## Run linters, then every test that needs no cluster
	npm test -- $(if $(VALETKEY_RESULTS),--json --outputFile=$(VALETKEY_RESULTS)/unit.json)

fuzz: dist/.built ## Check properties with random input for MINUTES=n (default 1), then those of tests once
	@node fuzz/main.ts --minutes $(or $(MINUTES),1) $(ARGS)
	@VALETKEY_TEST_SEED=random npm run -s jest -- $$(grep -rl --include=*.test.ts kit/fast-check cmd lib test tools)

lint: $(INSTALLED) ## Run linters: types, ESLint, Prettier, dependency rules, unused code, words
	npm run lint

format: $(INSTALLED) ## Format every file with Prettier
	npm run format

e2e: dist/.built ## Run end-to-end tests on a real cluster with two clouds (Linux, root, Go ≥ 1.25)
	@node e2e/main.ts $(ARGS)

# Tests that pass on the oldest Kubernetes; admission-policies.e2e.ts does not yet.
OLDEST_KUBERNETES_TESTS := /(tasks|authority/(approval-objects|call-approvals))\.e2e

e2e-full: dist/.built ## Also run the long tests: 10-minute lifetimes, oldest clients, oldest Kubernetes, the release
	@node cmd/authority/fixtures/audit-volume.ts
	@$(MAKE) --no-print-directory fuzz MINUTES=5 ARGS=
	@node e2e/faults/main.ts --only '^(?!soak)'
	@node e2e/main.ts --full $(ARGS)
	@node e2e/main.ts --kubernetes 1.30 --cloud minio --trust authority --only '$(OLDEST_KUBERNETES_TESTS)'
	@node e2e/cluster/main.ts build
	@$(MAKE) --no-print-directory release-check ARGS=

faults: dist/.built ## Apply faults to the programs and measure what users see (Linux, root, libfaketime; no cluster)
	@node e2e/faults/main.ts --only '^(?!soak)' $(ARGS)

soak: dist/.built ## Load the programs for MINUTES=n (default 30): memory and handles must stay flat
	@node e2e/faults/main.ts --only '^soak$$' --minutes $(or $(MINUTES),30) $(ARGS)

bench: dist/.built ## Run the benchmark against a minimal Go program; writes bench/out/latest.json
	@node bench/main.ts $(ARGS)

bench-compare: ## Compare the benchmarks of two checkouts: make bench-compare ARGS='OLD NEW'
	@node bench/compare.ts $(ARGS)

image: dist/.built ## Build the root file system of the image (used by the Dockerfile and by e2e)
	@node tools/image/main.ts $(ARGS)

release: $(INSTALLED) ## Build images, chart, plugin archives and statements in dist/release (Linux amd64, root)
	@node tools/release/main.ts $(ARGS)

release-check: $(INSTALLED) ## Build the release twice, compare it, push it to a local registry, and lint the workflows
	@node tools/release/main.ts --twice $(ARGS)
	@node tools/release/registry-check.ts

chart: $(INSTALLED) ## Lint, render and check the chart (needs Helm and promtool)
	@node tools/chart/check.ts $(ARGS)

manifests: $(INSTALLED) ## Render manifests/ from the chart (needs Helm)
	@node tools/chart/render.ts $(ARGS)

docs: $(INSTALLED) ## Generate pages of docs/
	@node tools/docs/generate.ts $(ARGS)

site: $(INSTALLED) ## Build docs/ and a landing page into dist/site, a static site with search
	@node tools/site/main.ts $(ARGS)

clean: ## Remove build output
	rm -rf dist bench/out node_modules
