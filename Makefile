# stillhouse: `make demo` runs the whole product, `make check` is the one command before a commit.
SHELL := bash
.DEFAULT_GOAL := help
BIN := node dist/cli/main.js
STAMP := node_modules/.stillhouse-setup

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): package-lock.json package.json .npmrc
	npm ci --no-audit --no-fund
	@touch $@

setup: $(STAMP) ## install what the lock file names (npm ci), build included

build: $(STAMP) ## compile src/ to dist/
	@npm run --silent build

demo: build ## index, audit, curate, cache, train and report on real images and real teachers
	@$(BIN) run pipelines/demo.yaml

.PHONY: help setup build demo
