# Needs Go and make, nothing else. Variables can be given on the command line:
# make test RACE= SHORT=-short PKGS=./session/
.DEFAULT_GOAL := help

GO       ?= go
PKGS     ?= ./...
RACE     ?= -race
SHORT    ?=
COUNT    ?=
RUN      ?=
TIMEOUT  ?= 8m
LONG     ?= 15m
UNTIL    ?= 0
FUZZTIME ?= 60s
SEEDS    ?= 1000
MISSING  ?= fail

# How a variable that was given becomes a flag of go test.
FLAGS = $(SHORT) $(if $(COUNT),-count=$(COUNT)) $(if $(RUN),-run='$(RUN)')

# A package that hangs has its time and no more. TIMEOUT is five times what any takes with
# the race detector on two busy cores (90 s); LONG is three times that of these, which
# take up to 5 min when the machine has as much to do besides. Simulations take as long as
# there are seeds: UNTIL bounds them where that is known.
LASTING = /test/(crash|hostile|stress)$$

comma := ,
space := $(subst ,, )

GOFMT = $(shell $(GO) env GOROOT)/bin/gofmt

.PHONY: help
help: ## Print these lines.
	@echo 'make TARGET [VARIABLE=value ...]'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-13s %s\n", $$1, $$2 }'
	@echo
	@echo 'Variables: PKGS=$(PKGS) RACE=$(RACE) SHORT=$(SHORT) COUNT=$(COUNT) RUN=$(RUN) TIMEOUT=$(TIMEOUT) LONG=$(LONG) FUZZTIME=$(FUZZTIME) SEEDS=$(SEEDS) MISSING=$(MISSING)'

.PHONY: build
build: ## Build the command as bin/souk.
	$(GO) build -o bin/souk ./cmd/node

.PHONY: demo
demo: ## Move a directory tree between nodes on this machine (DEMO=PATH, default: Go's sources).
	$(GO) run ./cmd/node demo $(DEMO)

# Many whole hosts in virtual time are tested without the race detector: with it the
# timers of a synctest bubble crash the Go runtime now and then (go1.26.8, SIGSEGV in
# timer.maybeRunChan). Their parts are tested with it, and so are whole nodes on the
# loopback interface.
VIRTUAL = /test/(scenario|routing|bench/virtual)$$

# The race detector needs cgo. Where there is no C compiler the tests run
# without it and say so, because Go and make are all that this target asks for.
.PHONY: test
test: ## Run every test. RACE= leaves out the race detector, SHORT=-short the long tests.
	@race='$(RACE)'; \
	if [ -n "$$race" ] && [ "$$($(GO) env CGO_ENABLED)" = 0 ]; then \
		echo 'No C compiler: testing without the race detector.'; race=; fi; \
	all=$$($(GO) list $(PKGS)); virtual=$$(echo "$$all" | grep -E '$(VIRTUAL)'); lasting=$$(echo "$$all" | grep -E '$(LASTING)'); \
	others=$$(echo "$$all" | grep -vE '$(VIRTUAL)|$(LASTING)'); \
	[ -z "$$others" ] || $(GO) test $$race $(FLAGS) -timeout=$(TIMEOUT) $$others || exit 1; \
	[ -z "$$lasting" ] || $(GO) test $$race $(FLAGS) -timeout=$(LONG) $$lasting || exit 1; \
	[ -z "$$virtual" ] || $(GO) test $(FLAGS) -timeout=$(TIMEOUT) $$virtual
	@[ '$(PKGS)' != ./... ] || $(MAKE) --no-print-directory UNTIL=$(LONG) sim leaks

# What is not there is installed from Debian's packages where that may be done.
.PHONY: test-system
test-system: ## Run what needs root, a browser or other programs. MISSING=skip leaves out what cannot be had.
	@GO='$(GO)' MISSING='$(MISSING)' TIMEOUT='$(LONG)' ./test/system.sh

# One goroutine plays all nodes, so the race detector would find nothing in it.
# A sequence of events at downloads is so small that ten are played for each seed.
.PHONY: sim
sim: ## Play SEEDS runs of many nodes' cores in one loop, find every planted fault, 5,000 peers, a resolver among 500, and downloads.
	$(GO) test -tags simulation -timeout=$(UNTIL) $(if $(COUNT),-count=$(COUNT)) ./download ./download/mirror -args -sequences $(SEEDS)0
	$(GO) test -tags simulation -timeout=$(UNTIL) $(if $(COUNT),-count=$(COUNT)) ./test/bench/download
	$(GO) test -tags simulation -timeout=$(UNTIL) $(if $(COUNT),-count=$(COUNT)) ./test/cores -args -seeds $(SEEDS)
	$(GO) test -tags simulation -timeout=$(UNTIL) $(if $(COUNT),-count=$(COUNT)) ./test/sim/discovery
	$(GO) test -tags simulation -timeout=$(UNTIL) $(if $(COUNT),-count=$(COUNT)) ./test/sim/resolving -args -seeds $(SEEDS)
	$(GO) test -tags simulation -timeout=$(UNTIL) $(if $(COUNT),-count=$(COUNT)) ./test/bench/resolver

.PHONY: proof
proof: ## Run what shows that the exchange is right, and print and keep how much there was.
	$(GO) run ./test/proof -seeds $(SEEDS) -write README.md

# With BENCH the tables are printed and the documents stay as they are, because
# they show what is published: BENCH='virtual -only fan-out -downloaders 32'.
.PHONY: bench
bench: ## Measure Souk, boxo and bare streams in the same scenarios (BENCH='[-runs n] SUITE -flag ...').
	$(GO) run ./test/bench $(or $(BENCH),-write docs/benchmarks.md -summary README.md)

.PHONY: discovery
discovery: ## Count what finding a block costs among 5,000 to a million peers (DISCOVERY='-n 20000 -k 4 ...').
	$(GO) test -tags simulation ./test/sim/discovery -run=Table -count=1 -timeout=0 -v -args -table $(DISCOVERY)

# The runtime can find goroutines that wait for what nobody can do any more. It
# is built anew for that, with all dependencies, which the build cache keeps.
.PHONY: leaks
leaks: ## Close nodes under load and let the runtime look for goroutines that are left.
	GOEXPERIMENT=goroutineleakprofile $(GO) test $(FLAGS) -timeout=$(LONG) -run=Shutdown ./test/stress

.PHONY: race
race: ## Run the tests under the race detector without the cache, or fail where it cannot run.
	$(GO) test -race $(FLAGS) -timeout=$(LONG) -count=$(or $(COUNT),1) $(PKGS)

# A fuzz run takes one target of one package, so they are found and run in turn.
# After each a line says how often it was executed, which is also counted where
# the tests count what they prove (test/internal/tally). Now and then Go calls it a
# failure, without an input, that the time was over while it was making one smaller.
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME.
	@targets=$$(grep -rE '^func Fuzz[A-Za-z0-9_]*\(' --include='*_test.go' . \
		| sed 's|^\(.*\)/[^/]*:func \(Fuzz[A-Za-z0-9_]*\).*|\1:\2|' | sort); \
	[ -n "$$targets" ] || { echo 'No fuzz target found.'; exit 1; }; \
	log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	for target in $$targets; do \
		echo "== $${target#*:} in $${target%:*}"; \
		{ $(GO) test -run='^$$' -fuzz="^$${target#*:}$$" -fuzztime=$(FUZZTIME) "$${target%:*}" 2>&1 || echo FAILED; } | tee "$$log"; \
		if grep -q '^FAILED$$' "$$log" && { grep -q 'Failing input' "$$log" || ! grep -q '^ *context deadline exceeded$$' "$$log"; }; \
			then exit 1; fi; \
		n=$$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$$log" | tail -n 1); \
		echo "executions: $${n:-0} of $${target#*:} in $${target%:*}"; \
		[ -z "$$SOUK_TALLY" ] || echo "$${n:-0} fuzz executions" >> "$$SOUK_TALLY"; \
	done

.PHONY: lint
lint: ## Check the format and run go vet, and golangci-lint where it is installed.
	@unformatted=$$($(GOFMT) -l .); [ -z "$$unformatted" ] || { \
		echo 'Not as gofmt writes them (make fmt does it):'; echo "$$unformatted"; exit 1; }
	$(GO) vet $(PKGS)
	$(GO) vet -tags simulation $(PKGS)
	@if command -v golangci-lint >/dev/null; then golangci-lint run $(PKGS); \
		else echo 'golangci-lint is not installed: only gofmt and go vet have run.'; fi

.PHONY: fmt
fmt: ## Format every Go file.
	$(GOFMT) -w .

.PHONY: cover
cover: ## Write cover.out and cover.html and print the total.
	$(GO) test $(FLAGS) -timeout=$(LONG) -coverprofile=cover.out -coverpkg=$(subst $(space),$(comma),$(PKGS)) $(PKGS)
	$(GO) tool cover -html=cover.out -o cover.html
	@$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: clean
clean: ## Remove what the other targets wrote.
	rm -rf bin cover.out cover.html
