# house.mk - what people call by name.

# The style, checked: layers, sizes, leftovers, format, manuals.
.PHONY: tidy
tidy: $(PB_HEADERS)
	@CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' scripts/tidy

COVERAGE_BUILD := $(patsubst %-coverage,%,$(BUILD))-coverage

# Simulators of single rooms add theirs (tests/sim/*/*.mk).
SIMS += $(BUILD)/sim

.PHONY: test sim sims sanitized demo format install uninstall help deps
deps:
	@scripts/install-deps
test: deps
	@$(MAKE) --no-print-directory -j$(shell nproc) all unit $(SIMS) $(FUZZ_REPLAY)
	@BUILD=$(BUILD) scripts/run-tests $(SIMS) $(UNIT) $(FUZZ_REPLAY) --beside $(E2E_BESIDE) \
	    --alone $(filter-out $(E2E_BESIDE),$(E2E))
# One node in a world made from a seed: SEEDS of them from START (or `random`), or the one SEED.
SEEDS ?= 1000
START ?= 1
sim: $(BUILD)/sim
	@$(BUILD)/sim --stats $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --start $(START))
# All simulators, as many at a time as `make -j` says.
sims: $(patsubst $(BUILD)/%,%,$(SIMS))
# What is pure, under sanitizers; in the build of the fuzzers, which would be made anyway.
SANITIZED := base data replica raft control grid shard command compute coordination wire session node conf lib
sanitized:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang SAN=$(FUZZ_SAN) sanitized-run
SANITIZED_UNIT := $(filter $(SANITIZED:%=$(BUILD)/unit/%/%),$(UNIT))
sanitized-run: $(SANITIZED_UNIT) $(SIMS)
	@scripts/run-tests $(SANITIZED_UNIT)
	@$(MAKE) --no-print-directory -O sims
demo: deps
	@$(MAKE) --no-print-directory -j$(shell nproc) all
	@scripts/demo $(BUILD)
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

# --- installing ----------------------------------------------------------------------------------
# /usr has its configuration in /etc; any other PREFIX has its own.
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
BIN := $(DESTDIR)$(PREFIX)/bin
LIBDIR := $(DESTDIR)$(PREFIX)/lib
SHARE := $(DESTDIR)$(PREFIX)/share
MAN := $(SHARE)/man
CONF := $(DESTDIR)$(SYSCONFDIR)/gridd
FILL := sed 's|@PREFIX@|$(PREFIX)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g; s|@VERSION@|$(VERSION)|g'
MAN_PAGES := man1/gridctl.1 man3/grid.h.3 man3/gridd.h.3 man3/grid_module.h.3 man5/gridd.conf.5 man7/gridd-http.7 \
             man7/gridd-modules.7 man7/gridd-services.7 man8/gridd.8
MONITORING := $(addprefix conf/monitoring/,prometheus.yml rules.yml gridd-dashboard.json)
INSTALLED := $(BIN)/gridd $(BIN)/gridctl \
             $(foreach l,gridclient gridd,$(LIBDIR)/lib$(l).a $(LIBDIR)/lib$(l).so $(LIBDIR)/lib$(l).so.0) \
             $(LIBDIR)/pkgconfig/gridclient.pc $(LIBDIR)/pkgconfig/gridd.pc \
             $(addprefix $(DESTDIR)$(PREFIX)/include/,$(notdir $(wildcard client/include/*.h)) gridd.h) \
             $(LIBDIR)/systemd/system/gridd.service $(LIBDIR)/sysusers.d/gridd.conf \
             $(SHARE)/bash-completion/completions/gridctl $(MAN_PAGES:%=$(MAN)/%) \
             $(MONITORING:conf/%=$(SHARE)/gridd/%)
# An existing gridd.conf is never touched.
install: all
	install -D -t $(BIN) $(BUILD)/gridd $(BUILD)/gridctl
	install -D -m 644 -t $(LIBDIR) $(BUILD)/libgridclient.a $(BUILD)/libgridd.a
	for l in gridclient gridd; do install -D $(BUILD)/lib$$l.so $(LIBDIR)/lib$$l.so.0 && \
	    ln -sf lib$$l.so.0 $(LIBDIR)/lib$$l.so || exit 1; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include $(wildcard client/include/*.h) server/gridd.h
	install -D -m 644 conf/completion/gridctl.bash $(SHARE)/bash-completion/completions/gridctl
	install -D -m 644 -t $(SHARE)/gridd/monitoring $(MONITORING)
	install -D -m 644 conf/systemd/gridd.sysusers $(LIBDIR)/sysusers.d/gridd.conf
	install -d $(LIBDIR)/pkgconfig $(LIBDIR)/systemd/system $(addprefix $(MAN)/man,1 3 5 7 8) $(CONF)
	$(FILL) client/gridclient.pc.in >$(LIBDIR)/pkgconfig/gridclient.pc
	$(FILL) server/gridd.pc.in >$(LIBDIR)/pkgconfig/gridd.pc
	$(FILL) conf/systemd/gridd.service >$(LIBDIR)/systemd/system/gridd.service
	for page in $(MAN_PAGES); do \
	    $(FILL) $$(ls client/man/$${page##*/} conf/man/$${page##*/} 2>/dev/null) >$(MAN)/$$page; done
	test -e $(CONF)/gridd.conf || install -m 644 -t $(CONF) conf/gridd.conf
# A gridd.conf that was changed stays.
uninstall:
	rm -f $(INSTALLED)
	! cmp -s conf/gridd.conf $(CONF)/gridd.conf || rm -f $(CONF)/gridd.conf
	rmdir $(CONF) $(SHARE)/gridd/monitoring $(SHARE)/gridd 2>/dev/null || true

# --- coverage: which lines the tests run, per room ----------------------------------------------
.PHONY: coverage coverage-table
coverage:
	@$(MAKE) --no-print-directory COVERAGE=1 BUILD=$(COVERAGE_BUILD) coverage-table
coverage-table: all unit $(FUZZ_REPLAY)
	@find $(BUILD) -name '*.gcda' -delete
	@BUILD=$(BUILD) scripts/run-tests $(UNIT) $(FUZZ_REPLAY) $(E2E) | grep -v ' 0 failed$$' || true
	@scripts/coverage $(BUILD)

help:
	@sed -n 's/^#? //p' scripts/house.mk
#? make             build/gridd, build/gridctl, build/lib{gridclient,gridd}.{a,so}; CC=clang WERROR=-Werror BUILD=folder
#? make test        install what is missing, build, run all tests; SAN=address,undefined or SAN=thread, COVERAGE=1
#? make unit-ROOM   the unit tests of one room; make fuzz-replay
#? make e2e         real processes, a few stories of a grid under faults (root, iptables) among them
#? make e2e-grid    all stories of a grid under faults, with the times they claim; six minutes; STORY=name
#? make sim         1000 simulations of one node; SEEDS=n from START=n or random, or one again: SEED=n
#? make sim-raft    the same of the consensus engine alone (tests/sim/raft/README.md)
#? make sim-whole   the same of whole grids: control planes, shards, clients (tests/sim/whole/README.md)
#? make sim-grid    the same of whole control planes (tests/sim/grid/README.md)
#? make sims        the same of all simulators
#? make sanitized   unit tests of the pure rooms and all simulators under sanitizers (clang)
#? make fuzz        each fuzz target for SECONDS=20; FUZZ=NAME for one
#? make bench       the benchmarks (tests/bench/README.md); make instructions
#? make tidy        layers, sizes, leftovers, format, manuals; make format
#? make coverage    lines that the tests run, per room
#? make demo        a node with real data, kill -9, and everything still there
#? make install     PREFIX=/usr/local DESTDIR= SYSCONFDIR=PREFIX/etc; make uninstall
#? make clean
