# session_instructions.mk - the hot path does not become slower unseen.
#   make instructions          compare with tests/bench/instructions.txt
#   make instructions-update   record what it is now
# The program is built by bench.mk, as all of this room that stand alone.

.PHONY: instructions instructions-update
instructions: $(BUILD)/bench/session_instructions
	@tests/bench/session_instructions.sh check $<
instructions-update: $(BUILD)/bench/session_instructions
	@tests/bench/session_instructions.sh update $<
