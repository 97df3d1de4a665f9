/* hello.c - the greeting: protocol version, name of the grid, who is there, which shard. */
#include "session/session_priv.h"

#include "control/settings.h"
#include "proto/frame.h"

#include <stdio.h>

static void reply(struct grid_session *s, enum grid_err status, const char *detail,
                  uint32_t version)
{
    const struct catalog *catalog = session_catalog(s);
    uint64_t value_max = (uint64_t)catalog_setting(catalog, SETTING_max_value);
    s->frame_told = (size_t)value_max + FRAME_SLACK;
    struct wire_hello_reply r = {
        .status = status,
        .detail = detail,
        .version = version,
        .version_max = PROTOCOL_MAX,
        .shard = s->ports->shard + 1,
        .shards = s->view->shards,
        .node_id = slice_make(s->view->node_id, sizeof s->view->node_id),
        .node = s->view->node,
        .grid = s->view->grid,
        .frame_max = (uint32_t)s->frame_told,
        .topology = catalog->revision,
        .session_ttl_ms = (uint64_t)catalog_setting(catalog, SETTING_session_ttl),
        .value_max = value_max,
        .server = s->view->version,
    };
    wire_hello_reply(&s->out, &r);
}

void session_refuse_hello(struct grid_session *s, enum grid_err err, const char *detail)
{
    struct wire_hello_reply r = {
        .status = err,
        .detail = detail,
        .version_max = PROTOCOL_MAX,
        .server = s->view->version,
    };
    wire_hello_reply(&s->out, &r);
}

void session_welcome(struct grid_session *s)
{
    session_move_to(s, OPEN);
    reply(s, GRID_OK, NULL, PROTOCOL_MAX);
}

/* Keep what fits of what the client calls itself, whole characters only. */
static void keep_client(struct grid_session *s, const char *name)
{
    size_t len = strlen(name);
    if (len >= sizeof s->client) {
        len = sizeof s->client - 1;
        while (len && ((uint8_t)name[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(s->client, name, len);
    s->client[len] = '\0';
}

static bool version_spoken(const struct wire_hello *h)
{
    uint32_t spoken = h->version < PROTOCOL_MAX ? h->version : PROTOCOL_MAX;
    return spoken >= PROTOCOL_MIN && spoken >= h->version_min;
}

static enum grid_err judge(const struct grid_session *s, const struct wire_hello *h, char *why)
{
    if (!version_spoken(h)) {
        snprintf(why, DETAIL_BYTES,
                 "the client speaks protocol versions %u to %u, this server %d to %d",
                 h->version_min, h->version, PROTOCOL_MIN, PROTOCOL_MAX);
        return GRID_EPROTOCOL;
    }
    if (*h->grid && strcmp(h->grid, s->view->grid) != 0) {
        snprintf(why, DETAIL_BYTES, "this is grid '%.60s'", s->view->grid);
        return GRID_EDENIED;
    }
    if (h->session.len != 0 && h->session.len != SESSION_ID_BYTES) {
        snprintf(why, DETAIL_BYTES, "a session id has %d bytes, not %zu", SESSION_ID_BYTES,
                 h->session.len);
        return GRID_EBAD_REQUEST;
    }
    if (s->ports->authenticate &&
        s->ports->authenticate(s->ports->ctx, h->user, h->password) != GRID_OK) {
        snprintf(why, DETAIL_BYTES, "unknown user or wrong password");
        return GRID_EAUTH;
    }
    return GRID_OK;
}

void session_greet(struct grid_session *s, const struct wire_hello *h)
{
    char why[DETAIL_BYTES];
    keep_client(s, h->client);
    enum grid_err err = judge(s, h, why);
    if (err) {
        session_refuse_hello(s, err, why);
        grid_session_stop(s, err_text(err));
        return;
    }
    s->has_id = h->session.len != 0;
    if (s->has_id)
        memcpy(s->id.bytes, h->session.data, sizeof s->id.bytes);
    bool elsewhere = h->shard && h->shard <= s->view->shards && h->shard - 1 != s->ports->shard;
    if (!elsewhere) {
        session_welcome(s);
        return;
    }
    session_move_to(s, MOVING);
    s->ports->move(s->ports->ctx, s, h->shard - 1);
}

void grid_session_moved(struct grid_session *s, const struct session_ports *ports)
{
    s->ports = ports;
    if (s->state == MOVING) /* else it was stopped on the way */
        session_welcome(s);
}
