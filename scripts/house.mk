# The house: what people call by name.
# The style, checked: layers, sizes, leftovers, format, manuals.
.PHONY: tidy
tidy: $(PB_HEADERS)
	@CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' scripts/tidy

.PHONY: test demo format install uninstall help deps
deps:
	@scripts/install-deps
test: deps
	@$(MAKE) --no-print-directory -j$(shell nproc) all unit $(FUZZ_REPLAY)
	@BUILD=$(BUILD) scripts/run-tests $(UNIT) $(FUZZ_REPLAY) $(E2E)
demo: deps
	@$(MAKE) --no-print-directory -j$(shell nproc) all
	@scripts/demo $(BUILD)
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')
BIN := $(DESTDIR)$(PREFIX)/bin
LIBDIR := $(DESTDIR)$(PREFIX)/lib
MAN := $(DESTDIR)$(PREFIX)/share/man
install: all
	install -D -t $(BIN) $(BUILD)/gridd $(BUILD)/gridctl
	install -D -m 644 -t $(LIBDIR) $(BUILD)/libgridclient.a
	install -D $(BUILD)/libgridclient.so $(LIBDIR)/libgridclient.so.0
	ln -sf libgridclient.so.0 $(LIBDIR)/libgridclient.so
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include client/include/grid.h
	install -d $(LIBDIR)/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|g; s|@VERSION@|$(VERSION)|g' client/gridclient.pc.in >$(LIBDIR)/pkgconfig/gridclient.pc
	install -D -m 644 -t $(MAN)/man1 client/man/gridctl.1
	install -D -m 644 -t $(MAN)/man3 client/man/grid.h.3
	install -D -m 644 conf/completion/gridctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/gridctl
uninstall:
	rm -f $(BIN)/gridd $(BIN)/gridctl $(LIBDIR)/libgridclient.* $(LIBDIR)/pkgconfig/gridclient.pc
	rm -f $(DESTDIR)$(PREFIX)/include/grid.h $(MAN)/man1/gridctl.1 $(MAN)/man3/grid.h.3
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/gridctl
help:
	@echo "make | test | tidy | demo | fuzz [SECONDS=n] | bench | instructions | format | install | clean; SAN=address,undefined"
