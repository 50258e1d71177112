# make help explains itself.
.DEFAULT_GOAL := help

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
RACE        := $(shell command -v $${CC:-gcc} >/dev/null 2>&1 && echo -race)
SCRIPTS     := $(shell git ls-files '*.sh' .ci/run 2>/dev/null)

.PHONY: help build man test lint fuzz demo demo-systemd e2e bench bench-fleet install-tools clean

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r n t; do printf '%-16s %s\n' "  $$n" "$$t"; done

build: ## Build bin/kepmctl and bin/kepmlab
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

man: ## Write the manual's pages into man/
	$(GO) run ./cmd/kepmctl man man

test: ## Run every test that needs no root and no host (a few minutes)
	$(GO) vet ./...
	$(GO) vet -tags e2e,kepmhold ./...
	@[ -n "$(RACE)" ] || echo 'no C compiler here: the tests run without the race detector'
	$(GO) test $(RACE) -timeout 10m ./...

lint: install-tools ## Check format and style: gofumpt, staticcheck, shellcheck
	@files=$$($(GO) run $(GOFUMPT) -l .); if [ -n "$$files" ]; then echo "not formatted by gofumpt: $$files"; exit 1; fi
	$(GO) run $(STATICCHECK) ./...
	cd provider/posix/scripts && shellcheck -x *.sh
	shellcheck $(filter-out provider/posix/scripts/%,$(SCRIPTS))

fuzz: ## Fuzz everything that reads what a host or a file says (30 s each)
	@for p in $$($(GO) list ./...); do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z]+' $$($(GO) list -f '{{$$d := .Dir}}{{range .TestGoFiles}}{{$$d}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$d}}/{{.}} {{end}}' $$p) /dev/null | sed 's/func //'); do \
			echo "$$p $$f"; $(GO) test $$p -run xxx -fuzz "^$$f$$" -fuzztime 30s || exit 1; \
		done; \
	done

demo: build ## Harden five hosts made for the occasion, each a few processes (Linux; no root)
	sh examples/demo.sh

demo-systemd: build install-tools ## The same on three real systemd hosts (root on Debian)
	sh examples/demo-nspawn.sh

e2e: install-tools ## Test on real systemd hosts with OpenSSH (root on Debian; about 15 min)
	KEPM_ALL_SHELLS=1 $(GO) test -timeout 10m -run 'WithoutSystemd|KilledSupervisor|TakenBack' ./provider/posix
	$(GO) test -tags e2e -count 1 -timeout 40m -parallel 8 -v ./cmd/kepmlab/e2e/

bench: ## Time a plan of 20 real hosts against OpenSSH and Ansible (root on Debian)
	sh .ci/tools ansible
	KEPM_BENCH=1 $(GO) test -tags e2e -timeout 30m -run TestBench -v ./cmd/kepmlab/e2e/

bench-fleet: ## Time plans and applies of thousands of simulated hosts (no root; 5 min)
	KEPM_BENCH=1 $(GO) test -timeout 30m -count 1 -run TestBenchFleet -v ./cmd/kepmlab

install-tools: ## Install what demo, e2e, bench and lint need from Debian's packages
	sh .ci/tools

clean: ## Remove what build made
	rm -rf bin man
