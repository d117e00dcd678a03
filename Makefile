# A thin layer over CMake and the test runners. Each target sets up what it needs by itself (scripts/setup.sh).
#
#   make              build/libwfext.so, the loadable module
#   make ui           the page (wfext ui) of FILE=app.db; UI="--write --port 0" passes arguments
#   make demo         a durable import that is killed and started again until done
#   make demo-litestream  a durable import whose volume is destroyed again and again, without and with barriers; LOSSES=5
#   make demo-cluster three nodes of a cluster on this machine, of which the one that leads is killed ten times; CLUSTER="--kills 30" passes arguments
#   make test         unit tests and SQL tests on the release build
#   make test-asan    the same with address and undefined-behaviour sanitizers
#   make test-deep    the long forms: fuzzing, soaking
#   make test-compat  on SQLite 3.31.1, the oldest supported
#   make bench        measurements, also as build/bench.json, -packages.json, -view.json, -page.json and -fleet.json; BENCH="..." passes arguments, and leaves out all but the engine
#   make bench-packages  those of the packages for Python, Node and Go alone; PACKAGES="..." passes arguments
#   make bench-view   what the command line and the page ask of a file with a million workflows; VIEW="..." passes arguments
#   make bench-page   those of the page (wfext ui) on a file with a million workflows; PAGE="..." passes arguments
#   make bench-peers  side by side with what people use instead, which it installs below build/; PEERS="..." passes arguments
#   make bench-cluster  writes per second of a cluster, beside the single file: docs/cluster.md
#   make bench-growth the pictures of docs/performance.md, from 1 thousand to 1 million workflows; GROWTH="..." passes arguments
#   make hosts        the table of docs/hosts.md: installs hosts in many languages, and plays tests/conformance in each
#   make figures      what docs/performance.md shows, measured anew: pictures, others, steps, jobs and claims (half an hour)
#   make wheel        the Python package for this machine, dist/*.whl; make npm: those of Node; make go-engine: that of Go; make crate: that of Rust
#   make amalgamation the extension as one file, build/amalgamation/wfext.cpp, and its header
#   make dist         archives with the library for every platform, dist/; make packages: the packages with them, too
#   make instructions counts what a call of each function costs, and keeps it: tests/instructions
#   make reference    writes docs/reference.md from the registry
#   make install      module, static library and header; PREFIX=/usr/local, DESTDIR=
#   make format       clang-format on all C++; make tidy: clang-tidy
#   make clean
#
# PYTEST="-k claim" runs pytest alone, with these arguments; PYTHON=... chooses the Python, JOBS=... how many compile at once.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
BETTER_SQLITE3 ?= 6.0.1

setup = @bash scripts/setup.sh
# Warnings stop CI, not a newcomer with another compiler.
werror = -DWFEXT_WERROR=$(if $(CI),ON,OFF)
configure = @cmake --preset $(1) $(werror) $(2) > build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
compile = @cmake --build $(1) -j $(JOBS)

.PHONY: all build cluster-node demo-cluster bench-cluster hosts wheel npm go-engine amalgamation dist packages crate tested ui demo demo-litestream test test-asan test-asan-unit asan test-deep test-compat bench bench-packages bench-view bench-page bench-peers bench-growth figures instructions reference install format tidy clean
.DEFAULT_GOAL := all

all: build

build:
	$(setup) build
	@mkdir -p build
	$(call configure,release)
	$(call compile,build) --target wfext

ui: build
	$(setup) ui
	@PYTHONPATH=$(CURDIR)/bindings/python/src:$(CURDIR)/build/ui WFEXT_LIBRARY=$(CURDIR)/build/libwfext.so "$$(bash scripts/python.sh)" -m wfext.cli ui $(FILE) $(UI)

demo: build
	$(setup) demo
	@bash examples/demo/run.sh

demo-litestream: build
	$(setup) build test litestream
	@mkdir -p build/demo-litestream
	@LITESTREAM=$${XDG_CACHE_HOME:-$$HOME/.cache}/wfext/litestream-0.5.18 WFEXT=$(CURDIR)/build/libwfext PYTHONDONTWRITEBYTECODE=1 "$$(bash scripts/python.sh)" \
	  examples/litestream/demo.py build/demo-litestream $(LOSSES)

# The node of a cluster: build/cluster/wfext-node
cluster-node: build
	$(setup) build cluster
	$(call compile,build) --target wfext_static
	@bash scripts/cluster.sh build

demo-cluster: cluster-node
	@"$$(bash scripts/python.sh)" cluster/demo.py build/cluster/wfext-node $(CLUSTER)

bench-cluster: cluster-node
	@WFEXT_LIBRARY=$(CURDIR)/build/libwfext.so "$$(bash scripts/python.sh)" cluster/bench.py build/cluster/wfext-node $(CLUSTER)

tested:
	$(setup) build test
	@mkdir -p build
	$(call configure,release,-DWFEXT_BUILD_TESTS=ON)
	$(call compile,build)

test: tested
	@bash scripts/test.sh build $(PYTEST)

test-deep: tested
	$(setup) node go rust cluster dist recipes ui browser mcp hosts litestream leaving
	-@bash scripts/setup.sh platforms   # what is missing is skipped, and named
	@WFEXT_DEEP=1 bash scripts/test.sh build $(PYTEST)

asan:
	$(setup) build test
	@mkdir -p build
	$(call configure,asan)
	$(call compile,build/asan)

test-asan-unit: asan
	@ctest --test-dir build/asan --output-on-failure --no-tests=error -j $(JOBS) $(CTEST)

test-asan: asan
	@bash scripts/test.sh build/asan $(PYTEST)

test-compat:
	$(setup) build test compat
	@mkdir -p build
	$(call configure,release,-B build/compat -DWFEXT_BUILD_TESTS=ON -DWFEXT_SQLITE_DIR="$$(bash scripts/old-sqlite.sh $(BETTER_SQLITE3))")
	$(call compile,build/compat)
	@bash scripts/test.sh build/compat $(PYTEST)

bench:
	$(setup) build
	@mkdir -p build
	$(call configure,release,-DWFEXT_BUILD_BENCH=ON)
	$(call compile,build) --target wfext wfext_bench
	@build/wfext_bench --save build/bench.json $(BENCH)
	@$(if $(BENCH),,"$$(bash scripts/python.sh)" bench/packages/run.py --save build/bench-packages.json $(PACKAGES))
	@$(if $(BENCH),,"$$(bash scripts/python.sh)" bench/view/run.py --save build/bench-view.json $(VIEW))
	@$(if $(BENCH),,$(MAKE) --no-print-directory bench-page)
	@$(if $(BENCH),,"$$(bash scripts/python.sh)" bench/fleet/run.py --save build/bench-fleet.json)
	@$(if $(BENCH),,"$$(bash scripts/python.sh)" bench/replication/run.py --save build/bench-replication.json)

bench-packages: build
	@"$$(bash scripts/python.sh)" bench/packages/run.py --save build/bench-packages.json $(PACKAGES)

bench-view: build
	@"$$(bash scripts/python.sh)" bench/view/run.py --save build/bench-view.json $(VIEW)

bench-page: build
	$(setup) ui
	@"$$(bash scripts/python.sh)" bench/view/page.py --save build/bench-page.json $(PAGE)

# The Python package with the module in it: dist/wfext-<version>-py3-none-<platform>.whl
wheel: build
	$(setup) build test
	@cd bindings/python && PYTHONPATH=$(CURDIR)/build/python WFEXT_LIBRARY=$(CURDIR)/build/libwfext.so \
	  $$(bash $(CURDIR)/scripts/python.sh) -m hatchling build -t wheel -d $(CURDIR)/dist

# The extension as one file: build/amalgamation/wfext.cpp
amalgamation: build
	@"$$(bash scripts/python.sh)" scripts/amalgamate.py build/generated build/amalgamation

# What is handed out for every platform: dist/wfext-<version>-<os>-<cpu>.tar.gz; DIST="linux-arm64 ..." makes these only
dist: amalgamation
	$(setup) dist
	@"$$(bash scripts/python.sh)" scripts/dist.py --jobs $(JOBS) $(DIST)

# The packages of every platform, with the libraries of dist: wheels, those of npm, the objects for Go
packages: dist crate
	$(setup) test node
	@"$$(bash scripts/python.sh)" scripts/packages.py

# The crate, with the sources of the extension in it: dist/wfext-<version>.crate
crate: amalgamation
	$(setup) rust
	@"$$(bash scripts/python.sh)" scripts/crate.py build/rust/crate
	@cd build/rust/crate && cargo package --quiet --no-verify --allow-dirty --target-dir ../package && mkdir -p $(CURDIR)/dist && cp ../package/package/wfext-*.crate $(CURDIR)/dist

bench-peers: build
	$(setup) peers
	@"$$(bash scripts/python.sh venv)" bench/peers/run.py $(PEERS)

bench-growth: build
	$(call configure,release,-DWFEXT_BUILD_BENCH=ON)
	$(call compile,build) --target wfext wfext_bench
	@build/wfext_bench --only growth --save build/bench-growth.json $(GROWTH)
	@"$$(bash scripts/python.sh)" bench/growth/draw.py build/bench-growth.json docs/growth

figures: bench-growth bench-peers bench-packages
	@build/wfext_bench --only throughput --only claim --only crowds --save build/bench.json
	@"$$(bash scripts/python.sh)" bench/pages.py

# The object file that links the engine into Go programs: bindings/go/engine/*.syso
go-engine: build
	$(setup) build go
	$(call compile,build) --target wfext_static
	@bash scripts/go-engine.sh build/libwfext.a bindings/go/engine

# The packages of npm: dist/wfext-<version>.tgz and that of this machine's library
npm: build
	$(setup) build node
	@rm -rf build/node/package && cp -r bindings/node build/node/package
	@cd build/node/package && PATH="$$(echo $(CURDIR)/build/node/node_modules/node-*/bin):$$PATH" && node ../node_modules/tsdown/dist/run.mjs > ../tsdown.log 2>&1 \
	  && WFEXT_LIBRARY=$(CURDIR)/build/libwfext.so node pack.mjs . $(CURDIR)/dist

hosts: build
	$(setup) test node go rust recipes hosts
	@PYTHONDONTWRITEBYTECODE=1 "$$(bash scripts/python.sh pytest)" tests/conformance/table.py $(CURDIR)/build/libwfext.so

instructions: tested
	@WFEXT=$$PWD/build/libwfext.so PYTHONDONTWRITEBYTECODE=1 "$$(bash scripts/python.sh pytest)" tests/instructions/counting.py --write

reference: tested
	@build/wfext_reference > build/reference.md
	@mkdir -p docs && mv build/reference.md docs/reference.md
	@"$$(bash scripts/python.sh)" tools/command_docs.py

install: build
	$(call configure,release,-DCMAKE_INSTALL_PREFIX=$(PREFIX))
	$(call compile,build) --target wfext wfext_static
	@cmake --install build

sources = $(shell find ext tests bench tools -name '*.cpp' -o -name '*.cc' -o -name '*.h')

format:
	$(setup) format
	@clang-format -i $(sources)

tidy: build
	$(setup) format
	@clang-tidy --quiet -p build $(shell find ext -name '*.cpp')

clean:
	rm -rf build
