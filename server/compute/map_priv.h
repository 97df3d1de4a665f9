/* map_priv.h - a map that runs, as its files see it. */
#ifndef GRIDD_COMPUTE_MAP_PRIV_H
#define GRIDD_COMPUTE_MAP_PRIV_H

#include "compute/map.h"
#include "compute/report.h"

enum map_mode { MAP_PAGE, MAP_MERGE, MAP_TAKE, MAP_FINISH };

/* X(NAME, text): what the grid knows how to reduce by itself. */
#define MAP_REDUCERS(X)                                                                            \
    X(SUM, "sum")                                                                                  \
    X(COUNT, "count")                                                                              \
    X(MIN, "min")                                                                                  \
    X(MAX, "max")

enum map_reducer {
    MAP_REDUCE_NOT,  /* rows go out as they are emitted */
    MAP_REDUCE_CODE, /* by a function of the module's */
#define X(name, text) MAP_REDUCE_##name,
    MAP_REDUCERS(X)
#undef X
};

struct native_map;
struct map_machine {
    struct map_limits limits;
    struct vm *vm;
    const struct native *native; /* one in C: then there is no module; or NULL */
    struct native_map *native_map;
    const struct module *module;
    const struct module_function *function;
    struct slice arg;
    struct script script;
    enum map_mode mode;
    enum map_reducer reducer;
    bool has_table; /* of what was reduced so far */
    /* PAGE: sums and counts of the key that was emitted last, which the table has not seen yet; of
     * whole numbers. That key is kept by emit(), so no other has its place: it is told by that. */
    const char *last_key;
    int64_t last_sum;
    uint32_t map_steps, reduce_steps; /* of one call; 0: they are counted as they are done */
    bool too_large, bad;
    struct slice in;    /* PAGE, MERGE */
    struct buf emitted; /* where nothing is reduced, or the rows that were taken */
    struct buf fault;
};

/* What the vm calls for the map's function: at 1 is what push() gave, nothing; its upvalues are the
 * functions. Made by grid.map(). */
int map_run_rows(lua_State *L);
enum map_reducer map_reducer_named(struct slice name);
enum { MAP_UP_MAP = 1, MAP_UP_REDUCE, MAP_UP_FINAL, MAP_UPS = 3 };

struct map_emitted {
    struct slice key, value;
    uint8_t what;
};
/* The row at *at, which moves behind it. False: there is none. */
bool map_emitted_read(struct slice rows, size_t *at, struct map_emitted *ret_row);
void map_emitted_add(struct buf *rows, struct slice key, struct slice value, uint8_t what);

#endif
