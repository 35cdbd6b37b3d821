# stillhouse: `make demo` runs the whole product, `make check` is the one command before a commit.
SHELL := bash
.DEFAULT_GOAL := help
BIN := node dist/cli/main.js
CHECK := node test/config/check.mjs
STAMP := node_modules/.stillhouse-setup

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(STAMP): package-lock.json package.json .npmrc
	npm ci --no-audit --no-fund
	@# for npx: without a command of this name in .bin it would install and build this checkout anew each time (9 s)
	@printf '#!/bin/sh\nexec node "$$(dirname "$$0")/../../dist/cli/main.js" "$$@"\n' > node_modules/.bin/stillhouse
	@chmod +x node_modules/.bin/stillhouse
	@touch $@

setup: $(STAMP) ## install exactly what the lock file names; nothing else is downloaded

build: $(STAMP) ## compile src/ to dist/
	@npm run --silent build

demo: build ## index, audit, curate, cache, train and report on real images and real teachers
	@$(BIN) run pipelines/demo.yaml

test: $(STAMP) ## build, then run the tests
	@$(CHECK) build test

check: $(STAMP) ## the one command: format, types, lint, layers, build, tests
	@$(CHECK) format types lint layers build test

fast: $(STAMP) ## types, and the tests of changed files
	@node_modules/.bin/tsc -p test/config/tsconfig.json
	@node_modules/.bin/vitest run --config test/config/vitest.config.ts --changed

fix: $(STAMP) ## format and mend what lint can mend
	@node_modules/.bin/eslint -c test/config/eslint.config.js --fix src test; true
	@node_modules/.bin/prettier --config test/config/prettier.json --write src test pipelines manifests '!**/*.md' '!test/golden/**' >/dev/null

laws: $(STAMP) ## property tests, longer: make laws SEED=random RUNS=5000
	@SEED=$(or $(SEED),random) RUNS=$(or $(RUNS),1000) node_modules/.bin/vitest run --config test/config/vitest.config.ts prop

audit-laws: $(STAMP) ## p-values and intervals of the audit over 200 seeds
	@$(CHECK) laws

fault: $(STAMP) ## SIGKILL at random points, damaged bytes
	@$(CHECK) build fault

cross: $(STAMP) ## other implementations: pyarrow, DuckDB, datasets, PyTorch, an S3 server, where Python has them
	@$(CHECK) build cross

test-demo: $(STAMP) ## the demo's promises: figures, reuse, one teacher removed, SIGKILL (about 10 minutes)
	@$(CHECK) build demo

test-browser: $(STAMP) ## the report in headless Chromium; says so when Chromium is missing
	@$(CHECK) build browser

bench-peers: build ## the same work by others, where Python has them (STILLHOUSE_PYTHON): bench:teachers against a PyTorch loop
	@PEERS=1 npm run --silent bench:teachers

test-gpu: $(STAMP) ## teachers on WebGPU (software Vulkan will do), CUDA and TensorRT; says which cannot run here and why
	@$(CHECK) build gpu

golden-update: $(STAMP) ## rewrite the golden files, then look at the diff
	@UPDATE_GOLDEN=1 node_modules/.bin/vitest run --config test/config/vitest.config.ts test/report
	@git diff --stat -- test/golden

clean: ## remove out/ and dist/
	rm -rf out dist

.PHONY: help setup build demo test check fast fix laws audit-laws fault cross test-demo test-browser bench-peers test-gpu golden-update clean
