# session_instructions.mk - the hot path does not become slower unseen.
#   make instructions          compare with tests/bench/instructions.txt
#   make instructions-update   record what it is now
$(eval $(call PROGRAM,$(BUILD)/bench/session_instructions,tests/bench/session_instructions.c,))

.PHONY: instructions instructions-update
instructions: $(BUILD)/bench/session_instructions
	@tests/bench/session_instructions.sh check $<
instructions-update: $(BUILD)/bench/session_instructions
	@tests/bench/session_instructions.sh update $<
