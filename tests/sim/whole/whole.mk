# whole.mk - the simulator of whole grids; bugs of the rooms are compiled in for it alone. Of
# server/node it has what runs users' code, on threads, clocks and mail of its own (machine.h).
SIM_WHOLE_NODE := $(addprefix server/node/,jobs.c job_places.c attempts.c attempt_scan.c services.c everywhere.c)
SIM_WHOLE_SRC := $(sort $(wildcard server/grid/*.c server/raft/*.c server/replica/*.c server/session/router*.c) \
                 $(wildcard server/coordination/*.c tests/sim/whole/*.c) tests/sim/grid/disk.c \
                 server/compute/jobs.c server/compute/schedule.c $(SIM_WHOLE_NODE))
SIM_WHOLE_OBJS := $(SIM_WHOLE_SRC:%.c=$(BUILD)/obj/sabotage/%.o) $(BUILD)/obj/tests/lib/simulator.o
$(SIM_WHOLE_OBJS): | $(PB_HEADERS)
$(SIM_WHOLE_NODE:%.c=$(BUILD)/obj/sabotage/%.o): CPPFLAGS += -Dclock_wall_ms=sim_wall_ms \
    -Dclock_mono_us=sim_mono_us -Dnanosleep=sim_nanosleep
SIM_WHOLE_LIBS := $(foreach l,session wire compute command shard control data base pb frame history,$(BUILD)/lib/$(l).a)
$(BUILD)/sim-whole: $(SIM_WHOLE_OBJS) $(SIM_WHOLE_LIBS)
	$(CC) $(LDFLAGS) -fno-lto -o $@ $(SIM_WHOLE_OBJS) -Wl,--start-group $(SIM_WHOLE_LIBS) -Wl,--end-group \
	    -lprotobuf-c -llua5.4 -ljansson -lm
SIMS += $(BUILD)/sim-whole
.PHONY: sim-whole
sim-whole: $(BUILD)/sim-whole
	@$(BUILD)/sim-whole --stats $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --start $(START))
