# replica.mk - the simulator of server/replica, whose rules can be switched off for it alone.
SIM_REPLICA_SRC := $(sort $(wildcard server/replica/*.c tests/sim/replica/*.c))
SIM_REPLICA_OBJS := $(SIM_REPLICA_SRC:%.c=$(BUILD)/obj/sabotage/%.o) $(BUILD)/obj/tests/lib/simulator.o
$(BUILD)/sim-replica: $(SIM_REPLICA_OBJS) $(BUILD)/lib/control.a $(BUILD)/lib/data.a $(BUILD)/lib/base.a
	$(CC) $(LDFLAGS) -fno-lto -o $@ $^ -lm
SIMS += $(BUILD)/sim-replica
.PHONY: sim-replica
sim-replica: $(BUILD)/sim-replica
	@$(BUILD)/sim-replica --stats $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --start $(START))
