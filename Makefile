# Two commands matter to a newcomer: make run, make test.
GO ?= go
FUZZTIME ?= 30s

# staticcheck runs at a pinned version, outside go.mod.
.PHONY: run build test check vuln fuzz bench clean deps

run: build
	./bin/postern demo

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/postern ./cmd/postern

deps:
	@scripts/deps

test: deps
	@out=$$(gofmt -l cmd internal bench); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...

check: test
	$(GO) test -race -shuffle=on -timeout 30m ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Asks the Go vulnerability database, so it needs the network.
vuln:
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

fuzz:
	@GO="$(GO)" scripts/fuzz $(FUZZTIME)

bench: deps
	$(GO) run ./bench

clean:
	rm -rf bin
