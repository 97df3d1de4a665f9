# gridd - make, make test, make demo; `make help` lists the rest.
# Everything is built below $(BUILD); a sanitizer or coverage build has a folder of its own.

SAN ?=
COVERAGE ?=
BUILD ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(COVERAGE),-coverage)
comma := ,
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := $(shell cat VERSION)

CC ?= cc
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla
OPT ?= -O2
OBJCOPY ?= objcopy
LUA_CFLAGS := $(shell pkg-config --cflags lua5.4 2>/dev/null || echo -I/usr/include/lua5.4)
CPPFLAGS += -D_GNU_SOURCE -DGRIDD_VERSION='"$(VERSION)"' -Iserver -I. -Iclient/include -I$(BUILD)/gen $(LUA_CFLAGS)
CFLAGS += -std=c11 -g $(OPT) -fno-strict-aliasing -fstack-protector-strong -fvisibility=hidden \
          -pthread $(WARN) $(WERROR)
LDFLAGS += -pthread -Wl,-z,relro,-z,now
ifdef SAN
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
endif
ifdef COVERAGE
CFLAGS += --coverage
LDFLAGS += --coverage
endif
# gcc optimises gridd as a whole (a tenth faster); its objects serve all tests without that, which link in no time.
ifeq ($(SAN)$(COVERAGE)$(shell $(CC) -dM -E -x c /dev/null | grep -c __clang__),0)
LTO := -flto=auto -ffat-lto-objects
endif

# --- rooms -----------------------------------------------------------------------------------
# Lower rooms first: a room may use only the rooms before it (scripts/layers.txt, `make tidy`).
ROOMS := base data replica raft control grid shard command compute coordination wire session store net node
SERVER_LIBS := -levent_core -levent_pthreads -lprotobuf-c -lssl -lcrypto -llmdb \
               -lconfuse -lhttp_parser -ljansson -llua5.4 -lm
CLIENT_LIBS := -levent_core -lprotobuf-c -lssl -lcrypto
CTL_LIBS := $(CLIENT_LIBS) -ljansson -ledit
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null || echo -lcheck -lsubunit -lrt -lm)

PROTOS := client control peer
PB_OBJS := $(PROTOS:%=$(BUILD)/obj/gen/%.pb-c.o)
PB_HEADERS := $(PROTOS:%=$(BUILD)/gen/%.pb-c.h)
FRAME_OBJS := $(BUILD)/obj/proto/frame.o
room_objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard server/$(1)/*.c)))
SERVER_OBJS := $(foreach r,$(ROOMS),$(call room_objs,$(r)))
CONF_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard server/conf*.c)))
EMBED_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard server/embed*.c))) $(CONF_OBJS) \
              $(SERVER_OBJS) $(FRAME_OBJS) $(PB_OBJS)
EMBED_PIC := $(EMBED_OBJS:$(BUILD)/obj/%=$(BUILD)/pic/%)
LIB_SRC := $(sort $(wildcard client/lib/*.c))
LIB_OBJS := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(FRAME_OBJS) $(BUILD)/obj/gen/client.pb-c.o
LIB_PIC := $(LIB_OBJS:$(BUILD)/obj/%=$(BUILD)/pic/%)
CTL_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard client/gridctl/*.c)))
SERVER_EXAMPLES := $(patsubst server/examples/%.c,$(BUILD)/server-examples/%,\
                     $(filter-out %_module.c,$(sort $(wildcard server/examples/*.c))))
MODULE_EXAMPLES := $(patsubst server/examples/%.c,$(BUILD)/modules/%.so,$(sort $(wildcard server/examples/*_module.c)))
EXAMPLES := $(patsubst client/examples/%.c,$(BUILD)/examples/%,$(sort $(wildcard client/examples/*.c)))

.PHONY: all
all: $(BUILD)/gridd $(BUILD)/gridctl $(BUILD)/libgridclient.a $(BUILD)/libgridclient.so \
     $(BUILD)/libgridd.a $(BUILD)/libgridd.so examples
.DELETE_ON_ERROR:

$(BUILD)/gridd: $(BUILD)/obj/server/main.o $(EMBED_OBJS)
	$(CC) $(OPT) $(LTO) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) -lsystemd

$(BUILD)/gridctl: $(CTL_OBJS) $(BUILD)/libgridclient.a
	$(CC) $(LDFLAGS) -o $@ $^ $(CTL_LIBS)

$(BUILD)/libgridclient.a: $(LIB_OBJS)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libgridclient.so: $(LIB_PIC)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libgridclient.so.0 -o $@ $^ $(CLIENT_LIBS)

# One object, whose names are its own but for those of gridd.h: a program's, libgridclient's may be the same.
$(BUILD)/libgridd.a: $(EMBED_PIC)
	$(LD) -r -o $(BUILD)/libgridd.o $^
	$(OBJCOPY) --localize-hidden $(BUILD)/libgridd.o
	rm -f $@ && $(AR) rcs $@ $(BUILD)/libgridd.o

$(BUILD)/libgridd.so: $(EMBED_PIC)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libgridd.so.0 -o $@ $^ $(SERVER_LIBS)

.PHONY: examples
examples: $(EXAMPLES) $(SERVER_EXAMPLES) $(MODULE_EXAMPLES)
$(BUILD)/examples/%: client/examples/%.c $(BUILD)/libgridclient.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS)

$(BUILD)/server-examples/%: server/examples/%.c $(BUILD)/libgridd.so $(BUILD)/libgridclient.a
	@mkdir -p $(@D)
	ln -sf libgridd.so $(BUILD)/libgridd.so.0
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/..' -o $@ $^ $(CLIENT_LIBS)

# All that a native module needs is the headers.
$(BUILD)/modules/%.so: server/examples/%.c $(wildcard client/include/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<

# --- compiling -------------------------------------------------------------------------------
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(BUILD)/gen
	protoc-c --proto_path=proto --c_out=$(BUILD)/gen $<

.SECONDARY: $(PB_HEADERS) # or make takes them for leftovers and builds all anew

# Generated code is not ours to warn about.
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<
$(BUILD)/pic/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -fPIC -c -o $@ $<

$(BUILD)/obj/%.o: %.c | $(PB_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(if $(filter server/%,$<),$(LTO)) -MMD -MP -c -o $@ $<
$(BUILD)/pic/%.o: %.c | $(PB_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD)/obj $(BUILD)/pic $(BUILD)/tests -name '*.d' 2>/dev/null)

# --- tests: each file below tests/unit names what it links in a comment: LINK: data base pb -----------
room_lib = $(BUILD)/lib/$(1).a
define ROOM_LIB
$(call room_lib,$(1)): $(call room_objs,$(1))
	@mkdir -p $$(@D)
	rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call ROOM_LIB,$(r))))
$(BUILD)/lib/frame.a: $(FRAME_OBJS)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/lib/pb.a: $(PB_OBJS)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/lib/conf.a: $(CONF_OBJS)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/lib/client.a: $(BUILD)/libgridclient.a
	@mkdir -p $(@D)
	cp $< $@
$(BUILD)/lib/certs.a: $(BUILD)/obj/tests/lib/certs.o
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^
# judges of what clients were told, for the simulator, the unit tests and check-history
HISTORY_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard tests/lib/history*.c)))
$(BUILD)/lib/history.a: $(HISTORY_OBJS)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^
# gridctl without its main(), and what it needs of the library without a grid, for tests and the fuzzer
$(BUILD)/lib/ctl.a: $(filter-out %/main.o,$(CTL_OBJS)) $(BUILD)/obj/client/lib/hash.o
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^
SIM_LIB_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/sim/main.c,$(sort $(wildcard tests/sim/*.c))))
$(BUILD)/lib/sim.a: $(SIM_LIB_OBJS) $(BUILD)/obj/tests/lib/simulator.o
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^

# System libraries a room drags in.
libs_data :=
libs_compute := -llua5.4
libs_wire := -lprotobuf-c
libs_pb := -lprotobuf-c
libs_store := -llmdb
libs_session := -lhttp_parser -ljansson
libs_net := -levent_core -levent_pthreads -lssl -lcrypto
libs_conf := -lconfuse
libs_certs := -lcrypto
libs_client := $(CLIENT_LIBS)
libs_ctl := $(CTL_LIBS)
libs_bench := -lssl -lcrypto -lprotobuf-c -lm

links_of = $(shell sed -n 's/.*LINK:\([a-z ]*\).*/\1/p;15q' $(1))
no_lto = $(if $(filter tests/bench/%,$(1)),,-fno-lto)
# $(call PROGRAM,output,source,extra libs): one test program and what its LINK line names
define PROGRAM
$(1): $(BUILD)/obj/$(2:.c=.o) $(foreach l,$(call links_of,$(2)),$(BUILD)/lib/$(l).a)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) $(call no_lto,$(2)) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
	    $(foreach l,$(call links_of,$(2)),$(libs_$(l))) $(3) -lm
endef

UNIT_SRC := $(sort $(wildcard tests/unit/*/*.c))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
$(foreach t,$(UNIT_SRC),$(eval $(call PROGRAM,$(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(t)),$(t),$(CHECK_LIBS))))
.PHONY: unit
unit: $(UNIT)
# make unit-data: build and run the tests of one room
unit-%:
	@$(MAKE) --no-print-directory $(filter $(BUILD)/unit/$*/%,$(UNIT))
	@scripts/run-tests $(filter $(BUILD)/unit/$*/%,$(UNIT))

ifneq ($(wildcard tests/sim/main.c),)
$(eval $(call PROGRAM,$(BUILD)/sim,tests/sim/main.c))
endif
$(BUILD)/check-history: $(BUILD)/obj/tests/lib/check_history.o $(BUILD)/lib/history.a $(BUILD)/lib/base.a
	$(CC) $(LDFLAGS) -fno-lto -o $@ $^
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
-include $(wildcard tests/bench/*.mk)
-include $(wildcard tests/sim/*/*.mk)
-include tests/fuzz/fuzz.mk
-include tests/e2e/e2e.mk
-include scripts/house.mk

.PHONY: clean
clean:
	rm -rf build build-*
