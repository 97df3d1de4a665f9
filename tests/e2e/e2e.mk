# End-to-end tests: real processes on loopback. `make e2e`.
E2E := tests/e2e/basics
.PHONY: e2e
e2e: $(BUILD)/gridd $(BUILD)/gridctl examples
	@BUILD=$(BUILD) scripts/run-tests $(E2E)
