/* grid_hello.c - the greeting: protocol version, name of the grid, who is there, which shard. */
#include "session/grid_priv.h"

#include "control/settings.h"
#include "proto/frame.h"

#include <stdio.h>

static void reply(struct grid_session *g, enum grid_err status, const char *detail,
                  uint32_t version)
{
    const struct catalog *catalog = session_catalog(&g->base);
    uint64_t value_max = (uint64_t)catalog_setting(catalog, SETTING_max_value);
    g->frame_told = (size_t)value_max + FRAME_SLACK;
    struct wire_hello_reply r = {
        .status = status,
        .detail = detail,
        .version = version,
        .version_max = PROTOCOL_MAX,
        .shard = g->base.ports->shard + 1,
        .shards = g->base.view->shards,
        .node_id = slice_make(g->base.view->node_id, sizeof g->base.view->node_id),
        .node = g->base.view->node,
        .grid = g->base.view->grid,
        .frame_max = (uint32_t)g->frame_told,
        .topology = catalog->revision,
        .session_ttl_ms = (uint64_t)catalog_setting(catalog, SETTING_session_ttl),
        .value_max = value_max,
        .server = g->base.view->version,
    };
    wire_hello_reply(&g->base.out, &r);
}

void grid_refuse_hello(struct grid_session *g, enum grid_err err, const char *detail)
{
    struct wire_hello_reply r = {
        .status = err,
        .detail = detail,
        .version_max = PROTOCOL_MAX,
        .server = g->base.view->version,
    };
    wire_hello_reply(&g->base.out, &r);
}

void grid_welcome(struct session *s)
{
    reply(grid_of(s), GRID_OK, NULL, PROTOCOL_MAX);
    grid_topology_push(s);
}

static bool version_spoken(const struct wire_hello *h)
{
    uint32_t spoken = h->version < PROTOCOL_MAX ? h->version : PROTOCOL_MAX;
    return spoken >= PROTOCOL_MIN && spoken >= h->version_min;
}

static enum grid_err admit(struct session *s, const struct wire_hello *h, char *why)
{
    enum grid_err err = session_trusts(s) ? GRID_OK : session_authenticate(s, h->user, h->password);
    if (err == GRID_EAUTH)
        snprintf(why, DETAIL_BYTES, "%s",
                 *h->user ? "unknown user or wrong password"
                          : "this grid asks for user and password");
    else if (err)
        snprintf(why, DETAIL_BYTES, "too many wrong passwords just now");
    return err;
}

static enum grid_err judge(const struct grid_session *g, const struct wire_hello *h, char *why)
{
    if (!version_spoken(h)) {
        snprintf(why, DETAIL_BYTES,
                 "the client speaks protocol versions %u to %u, this server %d to %d",
                 h->version_min, h->version, PROTOCOL_MIN, PROTOCOL_MAX);
        return GRID_EPROTOCOL;
    }
    if (*h->grid && strcmp(h->grid, g->base.view->grid) != 0) {
        snprintf(why, DETAIL_BYTES, "this is grid '%.60s'", g->base.view->grid);
        return GRID_EDENIED;
    }
    if (h->session.len != 0 && h->session.len != SESSION_ID_BYTES) {
        snprintf(why, DETAIL_BYTES, "a session id has %d bytes, not %zu", SESSION_ID_BYTES,
                 h->session.len);
        return GRID_EBAD_REQUEST;
    }
    return GRID_OK;
}

void grid_greet(struct grid_session *g, const struct wire_hello *h)
{
    struct session *s = &g->base;
    char why[DETAIL_BYTES];
    session_set_client(s, slice_str(h->client));
    enum grid_err err = judge(g, h, why);
    if (!err)
        err = admit(s, h, why);
    if (err) {
        grid_refuse_hello(g, err, why);
        session_stop(s, err_text(err));
        return;
    }
    g->has_id = h->session.len != 0;
    g->wants_topology = h->topology;
    if (g->has_id)
        memcpy(g->id.bytes, h->session.data, sizeof g->id.bytes);
    if (h->shard && h->shard <= s->view->shards && h->shard - 1 != s->ports->shard) {
        session_move(s, h->shard - 1);
        return;
    }
    session_move_to(s, OPEN);
    grid_welcome(s);
}
