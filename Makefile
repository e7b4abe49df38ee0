# Every command of the project; `make` alone lists them. Needs GNU make (3.81 or newer) and npm with any Node from 18 on:
# the project brings the Node it runs on as a dependency.
NODE := node_modules/.bin/node
INSTALLED := node_modules/.installed-lock.json
PROOFS := $(patsubst hack/prove-%.ts,prove-%,$(filter-out %.test.ts,$(wildcard hack/prove-*.ts)))

.DEFAULT_GOAL := help
.PHONY: help install run cluster test check format generate bench dead-code clean $(PROOFS)

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@for proof in $(PROOFS); do printf '  make %-10s Run hack/%s.ts\n' "$$proof" "$$proof"; done

install: ## Install the dependencies, when package-lock.json has changed
	@command -v npm >/dev/null || { echo 'npm was not found: install Node.js 18 or newer, which brings it' >&2; exit 1; }
	@cmp -s package-lock.json $(INSTALLED) || { npm ci --no-audit --no-fund && cp package-lock.json $(INSTALLED); }
	@test -x $(NODE) || { echo '$(NODE) is missing: run `npm ci` with install scripts allowed' >&2; exit 1; }

run: install ## Run the gateway here: make run CONFIG_DIR=config/samples/standalone
	@$(NODE) hack/run.ts

cluster: install ## A Kubernetes API server and a Redis here, to try resources on: make cluster NODES=1 plays pods too
	@$(NODE) hack/cluster.ts $(if $(NODES),--nodes)

test: install ## Run every check and every test
	@$(NODE) hack/test.ts

check: install ## Run the quick part of it: types, lint, format, imports, generated files and the tests without servers
	@$(NODE) hack/test.ts --check

format: install ## Format the source
	@$(NODE) node_modules/.bin/oxfmt '**/*.ts'

generate: install ## Write what is generated: the CRDs in crds/ and charts/smartflow-crds
	@$(NODE) hack/generate-crds.ts

bench: install ## Measure the gateway beside the floor and other gateways: make bench PEERS=portkey,litellm,nginx
	@$(NODE) bench/run.ts

dead-code: install ## List files, exports and dependencies that nothing uses
	@$(NODE) node_modules/.bin/knip

clean: ## Remove what was installed, the benchmark results and the data of `make run`
	rm -rf node_modules results .smartflow

ifneq ($(PROOFS),)
$(PROOFS): prove-%: hack/prove-%.ts install
	@$(NODE) $<
endif
