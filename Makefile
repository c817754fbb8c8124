# xcapa: `make` lists the targets. Go 1.26 and make are all that build, demo
# and test need; what else a target needs it says itself.

GO      ?= go
BIN     := bin/xcapa
PKGS    := ./...

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X xcapa/internal/cli.version=$(VERSION)

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Debian's own Go fails on go.mod with a message nobody understands, so the
# version is checked first.
.PHONY: go-version
go-version:
	@v=$$($(GO) env GOVERSION 2>/dev/null) || v=none; \
	case "$$v" in \
	  none|'') echo "xcapa needs Go 1.26 or later and there is no 'go' in PATH: get it from https://go.dev/dl/"; exit 1 ;; \
	  go1.[0-9]|go1.[0-9].*|go1.1[0-9]|go1.1[0-9].*|go1.2[0-5]|go1.2[0-5].*) \
	    echo "xcapa needs Go 1.26 or later, this is $$v: get it from https://go.dev/dl/"; exit 1 ;; \
	esac

.PHONY: build
build: go-version ## build bin/xcapa, one static binary
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/xcapa

.PHONY: man
man: build ## write the manual pages into bin/man1
	@$(BIN) man bin/man1

.PHONY: demo
demo: build ## see the whole path run on this machine, from a veth pair to the local store
	@$(BIN) demo

.PHONY: test
test: build ## run every test the privileges allow (as root: all of them)
	@if [ "$$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then \
	  echo "root: privileged tests run, and fail where they would skip"; export XCAPA_TEST_ROOT=1; \
	else echo "not root: tests that need network namespaces are skipped"; fi; \
	$(GO) test -timeout 10m $$($(GO) list $(PKGS) | grep -v '/e2e$$') && \
	$(GO) test -count=1 -timeout 10m ./internal/e2e # alone: it counts what a busy machine loses

.PHONY: test-unit
test-unit: go-version ## the fast tests, no privileges needed
	$(GO) test -short $(PKGS)

.PHONY: race
race: go-version ## all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short $(PKGS)

.PHONY: lint
lint: go-version ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l bpf cmd internal bench); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	$(GO) vet $(PKGS)
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 $(PKGS)

.PHONY: generate
generate: go-version ## compile the XDP programs again (needs clang 14; the result is committed)
	$(GO) generate ./bpf

.PHONY: test-kernels
test-kernels: go-version ## run the kernel tests on Debian's 6.1 and 6.12 kernels, under qemu
	@internal/kernels/run.sh

.PHONY: test-stack
test-stack: build ## run the path against a real Apache Kafka and Elasticsearch (needs Maven and Java 17)
	@GO=$(GO) internal/stack/test.sh

.PHONY: test-interop
test-interop: go-version ## read blocks and store files with pyarrow and DuckDB, topics with kcat, captures with tshark (needs python3, pip, kcat, tshark)
	$(GO) test -count=1 -tags interop -run 'Interop|OtherPrograms|Pyarrow' -v ./internal/codec ./internal/store ./internal/cli

.PHONY: test-page
test-page: go-version ## look at the monitoring page in a real Chromium (needs chromium, node and npm)
	$(GO) test -count=1 -tags browser -run TestBrowser ./internal/web

.PHONY: oracle
CORPUS ?= testdata/pcap
oracle: go-version ## compare every header field with tshark's over the captures in CORPUS
	XCAPA_ORACLE_CORPUS=$(abspath $(CORPUS)) $(GO) test -count=1 -tags oracle -run TestOracle -v ./internal/packet

.PHONY: oracle-seed
oracle-seed: go-version ## compare the seed schema with Logisland's own parser over CORPUS (needs Maven and a JDK)
	XCAPA_ORACLE_CORPUS=$(abspath $(CORPUS)) $(GO) test -count=1 -tags oracle -run 'TestSeedOracle|TestSeedReadsOurs' -v ./internal/codec

.PHONY: fuzz
FUZZTIME ?= 60s
fuzz: go-version ## every fuzz target for FUZZTIME (60s)
	@$(GO) list -f '{{.ImportPath}} {{.Dir}}' $(PKGS) | while read pkg dir; do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$dir/*_test.go 2>/dev/null | cut -c6-); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

.PHONY: bench
bench: build bin/bench ## measure the program beside its peers (as root, 15 minutes): bench/results/latest.md
	bin/bench
	bin/bench scale >bench/SCALE.md.new && mv bench/SCALE.md.new bench/SCALE.md

.PHONY: bench-full
bench-full: build bin/bench ## bench, real servers and the curves (as root, 35 minutes): bench/results/full.md
	bin/bench -full

.PHONY: bin/bench
bin/bench:
	$(GO) build -trimpath -o bin/bench ./bench

.PHONY: clean
clean: ## remove what build and bench wrote
	rm -rf bin bench/results/tmp
