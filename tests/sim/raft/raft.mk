# raft.mk - the simulator of server/raft, whose bugs are compiled in for it alone.
SIM_RAFT_SRC := $(sort $(wildcard server/raft/*.c tests/sim/raft/*.c))
SIM_RAFT_OBJS := $(SIM_RAFT_SRC:%.c=$(BUILD)/obj/sabotage/%.o) $(BUILD)/obj/tests/lib/simulator.o
$(BUILD)/obj/sabotage/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DGRIDD_SABOTAGE $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/sim-raft: $(SIM_RAFT_OBJS) $(BUILD)/lib/base.a
	$(CC) $(LDFLAGS) -fno-lto -o $@ $^
SIMS += $(BUILD)/sim-raft
.PHONY: sim-raft
sim-raft: $(BUILD)/sim-raft
	@$(BUILD)/sim-raft --stats $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --start $(START))
