/* fuzz.h - what a fuzz target is: one function from bytes to nothing. libFuzzer calls it with what
 * it finds (make fuzz), replay.c with the committed corpus (make test). A target must not keep
 * anything from one call to the next. */
#ifndef GRIDD_TESTS_FUZZ_H
#define GRIDD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
