# grid.mk - the simulator of server/grid, whose bugs are compiled in for it alone; raft and control are as in gridd.
SIM_GRID_SRC := $(sort $(wildcard server/grid/*.c tests/sim/grid/*.c))
SIM_GRID_OBJS := $(SIM_GRID_SRC:%.c=$(BUILD)/obj/sabotage/%.o) $(BUILD)/obj/tests/lib/simulator.o
$(BUILD)/sim-grid: $(SIM_GRID_OBJS) $(foreach r,control raft replica base,$(BUILD)/lib/$(r).a)
	$(CC) $(LDFLAGS) -fno-lto -o $@ $^ -lm
SIMS += $(BUILD)/sim-grid
.PHONY: sim-grid
sim-grid: $(BUILD)/sim-grid
	@$(BUILD)/sim-grid --stats $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --start $(START))
