# whole.mk - the simulator of whole grids; bugs of the rooms are compiled in for it alone.
SIM_WHOLE_SRC := $(sort $(wildcard server/grid/*.c server/raft/*.c server/replica/*.c server/session/router*.c) \
                 $(wildcard tests/sim/whole/*.c) tests/sim/grid/disk.c)
SIM_WHOLE_OBJS := $(SIM_WHOLE_SRC:%.c=$(BUILD)/obj/sabotage/%.o) $(BUILD)/obj/tests/lib/simulator.o
$(SIM_WHOLE_OBJS): | $(PB_HEADERS)
SIM_WHOLE_LIBS := $(foreach l,coordination wire command shard control data base pb frame history,$(BUILD)/lib/$(l).a)
$(BUILD)/sim-whole: $(SIM_WHOLE_OBJS) $(SIM_WHOLE_LIBS)
	$(CC) $(LDFLAGS) -fno-lto -o $@ $(SIM_WHOLE_OBJS) -Wl,--start-group $(SIM_WHOLE_LIBS) -Wl,--end-group \
	    -lprotobuf-c -lm
SIMS += $(BUILD)/sim-whole
.PHONY: sim-whole
sim-whole: $(BUILD)/sim-whole
	@$(BUILD)/sim-whole --stats $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --start $(START))
