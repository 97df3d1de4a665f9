/* clock.h - time as numbers. The pure rooms get it as an argument; only net, node and tests read
 * the clocks. */
#ifndef GRIDD_BASE_CLOCK_H
#define GRIDD_BASE_CLOCK_H

#include <stdint.h>

/* milliseconds; since 1970 where a deadline is meant, else since an arbitrary start */
typedef uint64_t msec_t;

msec_t clock_wall_ms(void); /* since 1970 */
msec_t clock_mono_ms(void); /* never goes back, counts suspend */
uint64_t clock_wall_us(void);
uint64_t clock_mono_us(void); /* the clock of clock_mono_ms() */
uint64_t clock_mono_ns(void);
uint64_t clock_cpu_us(void); /* that this thread was on a processor */

#endif
