# `make help` lists what there is. Only Node ≥ 20, npm and make need to be there: the pinned
# Node 24 comes with the development dependencies and goes first on PATH.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

INSTALLED := node_modules/.installed
SOURCES := $(shell find cmd lib -name '*.ts' -not -name '*.test.ts' 2>/dev/null)

.PHONY: help demo test fuzz e2e e2e-full bench build image lint format chart manifests docs clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): package.json package-lock.json
	npm ci
	@touch $@

dist/.built: $(SOURCES) tools/build/main.ts $(INSTALLED)
	node tools/build/main.ts
	@touch $@

build: dist/.built ## Bundle each program into one file under dist/

demo: dist/.built ## Watch a pod's consumer get cloud credentials for exactly its task (no cluster needed)
	@node demo/main.ts $(ARGS)

test: dist/.built ## Linters side by side, then every test that needs no cluster
	npm test -- $(if $(VALETKEY_RESULTS),--json --outputFile=$(VALETKEY_RESULTS)/unit.json)

fuzz: dist/.built ## Try every property again and again, for MINUTES=n (1 unless given)
	@node fuzz/main.ts --minutes $(or $(MINUTES),1) $(ARGS)

lint: $(INSTALLED) ## ESLint, prettier, dependency rule, dead code
	npm run lint

format: $(INSTALLED) ## Rewrite every file as prettier would
	npm run format

e2e: dist/.built ## Stories on a real Kubernetes and two real clouds (Linux, root, Go ≥ 1.25)
	@node e2e/main.ts $(ARGS)

e2e-full: dist/.built ## The same, with the long stories: 10-minute lifetimes, oldest clients
	@node e2e/main.ts --full $(ARGS)

bench: dist/.built ## Measure against a bare Go program; writes bench/out/latest.json
	@node bench/main.ts $(ARGS)

image: dist/.built ## Build the image's root file system (used by the Dockerfile and by e2e)
	@node tools/image/main.ts $(ARGS)

chart: $(INSTALLED) ## Lint, render and check the chart (needs Helm)
	@node tools/chart/check.ts $(ARGS)

manifests: $(INSTALLED) ## Render manifests/ from the chart (needs Helm)
	@node tools/chart/render.ts $(ARGS)

docs: $(INSTALLED) ## Write the generated pages of docs/
	@node tools/docs/generate.ts $(ARGS)

clean: ## Remove what was built
	rm -rf dist bench/out node_modules
