# End-to-end tests: real processes on loopback. `make e2e`.
E2E := $(addprefix tests/e2e/,basics crash many use damage full pressure reload tour users rest netns-selftest)
# What claims nothing about time runs beside other tests; `make test` saves minutes by that.
E2E_BESIDE := $(addprefix tests/e2e/,grid-quick operate anywhere modules native tasks jobs placed maps copies)
E2E_BESIDE += $(addprefix tests/e2e/,queued services broadcasts native-jobs rejoin embedding)
E2E_BESIDE += $(BUILD)/e2e/embed $(BUILD)/e2e/inside
E2E_BESIDE += $(addprefix tests/e2e/,history bad-input disk tls service doors install monitoring hashes redis-clients)
E2E += $(E2E_BESIDE)
E2E += $(addprefix tests/e2e/,differential resp-bad-input)
E2E_PROGRAMS := $(addprefix $(BUILD)/e2e/,load recorder transfers)
$(E2E_PROGRAMS): $(BUILD)/e2e/%: tests/e2e/%.c $(BUILD)/libgridclient.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS)
# Nodes in the program itself: libgridd and libgridclient side by side, as archives.
$(BUILD)/e2e/embed $(BUILD)/e2e/inside: $(BUILD)/e2e/%: tests/e2e/%.c tests/e2e/embed.h tests/e2e/embed_grid.h \
    $(BUILD)/libgridd.a $(BUILD)/libgridclient.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(SERVER_LIBS)
all e2e-programs: $(BUILD)/e2e/embed $(BUILD)/e2e/inside
# Changes a copy on disk; nothing that is installed can.
$(eval $(call PROGRAM,$(BUILD)/e2e/alter,tests/e2e/alter.c))
# Only where hiredis is installed; redis-clients says when it is not there.
ifneq ($(wildcard /usr/include/hiredis/hiredis.h),)
all e2e-programs: $(BUILD)/e2e/hiredis
endif
$(BUILD)/e2e/hiredis: tests/clients/hiredis.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lhiredis
$(BUILD)/e2e/box_module.so: tests/e2e/box_module.c $(wildcard client/include/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<
all e2e-programs: $(BUILD)/e2e/box_module.so
.PHONY: e2e e2e-grid e2e-programs
e2e-programs: $(BUILD)/gridd $(BUILD)/gridctl examples $(E2E_PROGRAMS) $(BUILD)/e2e/alter $(BUILD)/check-history
all: $(E2E_PROGRAMS) $(BUILD)/e2e/alter $(BUILD)/check-history
e2e: e2e-programs
	@BUILD=$(BUILD) scripts/run-tests $(E2E)
# All stories of a grid under faults, with the times they claim: on a machine that does nothing else. STORY="NAME...".
e2e-grid: e2e-programs
	@BUILD=$(BUILD) tests/e2e/grid $(STORY)
