/* fixture.h - a fake server, a client connected to it and a cache, for the tests of this room. */
#ifndef GRIDD_TESTS_CLIENT_FIXTURE_H
#define GRIDD_TESTS_CLIENT_FIXTURE_H

#include "tests/lib/unit.h"
#include "fake_server.h"

#include <grid.h>

enum {
    GET = GRID__OP__GET,
    PUT = GRID__OP__PUT,
    INCR = GRID__OP__INCR,
    RUN = GRID__OP__RUN,
    OPEN = GRID__OP__OPEN_CACHE,
};

static struct fake fake;
static struct grid *grid;
static struct grid_cache *cache;
static const struct grid_bytes none;

static inline struct grid_bytes bytes(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}

static inline void connect_with(struct grid_options options)
{
    char why[GRID_WHY_BYTES];
    if (!options.endpoints)
        options.endpoints = fake.endpoint;
    if (!options.timeout_ms)
        options.timeout_ms = 20000;
    ck_assert_msg(grid_connect(&options, &grid, why) == GRID_OK, "%s", why);
    ck_assert_int_eq(grid_cache_open(grid, "default/default", &cache), GRID_OK);
}

static inline void begin(const struct fake_conf *conf)
{
    fake_start(&fake, conf);
    connect_with((struct grid_options){0});
}

/* For deadlines that are to pass: as short as a slow machine allows. */
static inline void begin_hasty(const struct fake_conf *conf)
{
    fake_start(&fake, conf);
    connect_with((struct grid_options){.timeout_ms = 400});
}

static inline void end(void)
{
    grid_close(grid);
    fake_stop(&fake);
}

static inline enum grid_err put(const char *key)
{
    return grid_put(cache, bytes(key), bytes("v"), NULL, NULL);
}

struct dones {
    unsigned len;
    enum grid_err err;
    uint64_t version;
    int64_t number;
    char detail[256];
};

static inline void on_done(void *arg, const struct grid_result *r)
{
    struct dones *d = arg;
    d->len++;
    d->err = r->err;
    d->version = r->version;
    d->number = r->number;
    snprintf(d->detail, sizeof d->detail, "%s", r->detail);
}

#endif
