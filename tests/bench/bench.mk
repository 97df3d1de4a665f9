# bench.mk - make bench [SCENARIOS="get put"] [ROUNDS=3] [SECONDS=2] [QUICK=1]
# tests/bench/README.md says what it measures.

GRIDLOAD_SRC := $(sort $(wildcard tests/bench/gridload*.c)) tests/bench/hist.c
GRIDLOAD_OBJS := $(GRIDLOAD_SRC:%.c=$(BUILD)/obj/%.o)
GRIDLOAD_MAIN := $(BUILD)/obj/tests/bench/gridload_main.o

$(BUILD)/lib/bench.a: $(filter-out $(GRIDLOAD_MAIN),$(GRIDLOAD_OBJS))
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/bench/gridload: $(GRIDLOAD_MAIN) $(foreach l,bench base frame pb,$(BUILD)/lib/$(l).a)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(libs_bench)

# Other measuring programs of this room; what they link stands in their LINK line.
BENCH_ALONE := $(filter-out $(GRIDLOAD_SRC) tests/bench/local_bench.c tests/bench/bench_module.c,$(BENCH_SRC))
bench_alone = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(1))
bench_libs = $(if $(filter %/echo_server.c,$(1)),$(libs_net))
$(foreach p,$(BENCH_ALONE),$(eval $(call PROGRAM,$(call bench_alone,$(p)),$(p),$(call bench_libs,$(p)))))
BENCH_PROGRAMS := $(BUILD)/bench/gridload $(BUILD)/bench/modules/bench.so $(BUILD)/bench/local_bench \
    $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_ALONE))
$(BUILD)/bench/modules/bench.so: tests/bench/bench_module.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<
$(BUILD)/bench/local_bench: tests/bench/local_bench.c tests/bench/bench_module.c $(BUILD)/libgridd.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS)

.PHONY: bench bench-programs
bench-programs: $(BENCH_PROGRAMS)
bench: bench-programs $(BUILD)/gridd $(BUILD)/gridctl
	@tests/bench/bench --build $(BUILD) --scenarios "$(SCENARIOS)" --peers "$(PEERS)" $(if $(ROUNDS),--rounds $(ROUNDS)) \
	    $(if $(SECONDS),--seconds $(SECONDS)) $(if $(KEYS),--keys $(KEYS)) \
	    $(if $(RESTART_KEYS),--restart-keys $(RESTART_KEYS)) \
	    $(if $(QUICK),--quick)
