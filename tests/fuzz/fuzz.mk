# fuzz.mk - tests/fuzz/fuzz_NAME.c is a target; its LINK line names what it links, tests/fuzz/corpus/NAME is its seed
# corpus.
#   make fuzz [SECONDS=20] [FUZZ=NAME]   each with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer (clang)
#   make fuzz-replay                     the committed corpus through each, with any compiler (part of `make test`)
#   make fuzz-seeds                      write the seeds of the targets that read protobuf again

FUZZ ?= *
FUZZ_SECONDS = $(or $(SECONDS),20)
FUZZ_SAN := fuzzer-no-link,address,undefined
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_NAMES := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)

# --- replay: the target with replay.c as its main() ---------------------------------------------
FUZZ_REPLAY := $(FUZZ_NAMES:%=$(BUILD)/replay/fuzz_%)
FUZZ_MAIN := $(BUILD)/obj/tests/fuzz/replay.o
$(foreach n,$(FUZZ_NAMES),$(eval $(call PROGRAM,$(BUILD)/replay/fuzz_$(n),tests/fuzz/fuzz_$(n).c,$(FUZZ_MAIN))))
$(FUZZ_REPLAY): $(FUZZ_MAIN)
.PHONY: fuzz-replay
fuzz-replay: $(FUZZ_REPLAY)
	@scripts/run-tests $(FUZZ_REPLAY)

# --- libFuzzer: a build of its own, everything instrumented -------------------------------------
FUZZERS := $(FUZZ_NAMES:%=$(BUILD)/fuzz/fuzz_%)
$(foreach n,$(FUZZ_NAMES),$(eval $(call PROGRAM,$(BUILD)/fuzz/fuzz_$(n),tests/fuzz/fuzz_$(n).c,-fsanitize=fuzzer)))
.PHONY: fuzzers fuzz
fuzzers: $(filter $(BUILD)/fuzz/fuzz_$(subst *,%,$(FUZZ)),$(FUZZERS))
# As many at a time as there are processors.
fuzz:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang SAN=$(FUZZ_SAN) FUZZ='$(FUZZ)' fuzzers
	@$(MAKE) --no-print-directory -O -j$(shell nproc) $(patsubst %,fuzz-run-%,$(filter $(subst *,%,$(FUZZ)),$(FUZZ_NAMES)))
# What a run finds interesting goes to $(BUILD)/fuzz/found, never into the committed corpus.
fuzz-run-%:
	@mkdir -p $(BUILD)/fuzz/found/$* $(BUILD)/fuzz/bad tests/fuzz/corpus/$*
	@echo "fuzz $*: $(FUZZ_SECONDS) s"
	@$(BUILD)/clang/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/bad/$*- $(BUILD)/fuzz/found/$* tests/fuzz/corpus/$* \
	    2>$(BUILD)/fuzz/$*.log || { cat $(BUILD)/fuzz/$*.log; echo "fuzz $*: FAILED"; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */    runs: /p' $(BUILD)/fuzz/$*.log

# --- seeds --------------------------------------------------------------------------------------
$(eval $(call PROGRAM,$(BUILD)/fuzz-seed,tests/fuzz/seed.c,))
.PHONY: fuzz-seeds
fuzz-seeds: $(BUILD)/fuzz-seed
	@mkdir -p $(addprefix tests/fuzz/corpus/,frame request reply session catalog record forward peer control)
	$(BUILD)/fuzz-seed
