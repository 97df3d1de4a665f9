/* request.c - the life of a request: number, deadline, sending, answer, sending again. See
 * grid_priv.h for the lists. */
#include "grid_priv.h"
#include "proto/frame.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>

enum { TABLE_SIZE_MIN = 256, REST_MS_MIN = 2, REST_MS_MAX = 200, REST_DOUBLINGS = 6 };
enum { RECALL_MS = 300 };

/* --- by number -------------------------------------------------------------------------------- */

static struct request **place(const struct grid *g, uint64_t number)
{
    return &g->table[number & (g->table_size - 1)];
}

static void table_grow(struct grid *g)
{
    struct request **old = g->table;
    size_t old_size = g->table_size;
    g->table_size = old_size ? old_size * 2 : TABLE_SIZE_MIN;
    g->table = gc_calloc(g->table_size, sizeof *g->table);
    for (size_t i = 0; i < old_size; i++) {
        for (struct request *r = old[i], *next; r; r = next) {
            next = r->chain;
            struct request **to = place(g, r->number);
            r->chain = *to;
            *to = r;
        }
    }
    free(old);
}

static void table_add(struct grid *g, struct request *r)
{
    if (g->unanswered >= g->table_size)
        table_grow(g);
    struct request **to = place(g, r->number);
    r->chain = *to;
    *to = r;
}

static struct request *table_find(const struct grid *g, uint64_t number)
{
    struct request *r = g->table_size ? *place(g, number) : NULL;
    while (r && r->number != number)
        r = r->chain;
    return r;
}

static void table_remove(struct grid *g, struct request *r)
{
    struct request **at = place(g, r->number);
    while (*at != r)
        at = &(*at)->chain;
    *at = r->chain;
}

/* --- beginning -------------------------------------------------------------------------------- */

struct request *gc_request_new(struct grid *g, uint32_t op, struct grid_cache *cache,
                               size_t body_len)
{
    struct request *r = malloc(sizeof *r + body_len);
    if (!r)
        return NULL;
    *r = (struct request){
        .grid = g,
        .op = op,
        .cache = cache,
        .numbers = 1,
        .body_len = body_len,
    };
    list_init(&r->queue);
    list_init(&r->pending);
    list_init(&r->write);
    return r;
}

void gc_request_send(struct request *r)
{
    struct grid *g = r->grid;
    r->link = gc_route(g, r);
    list_push_back(&r->link->queued, &r->queue);
    gc_link_want(r->link);
    gc_wake(g);
}

/* In order of deadlines. They are equally far away for nearly all, so the place is at the end. */
static void pending_add(struct grid *g, struct request *r)
{
    struct list *at = g->pending.prev;
    while (at != &g->pending && list_entry(at, struct request, pending)->deadline > r->deadline)
        at = at->prev;
    list_push_back(at->next, &r->pending);
}

void gc_request_submit(struct request *r)
{
    struct grid *g = r->grid;
    g->now = gc_now_ms();
    r->number = g->number + 1;
    g->number += r->numbers;
    if (!r->deadline)
        r->deadline = g->now + g->timeout_ms;
    table_add(g, r);
    g->unanswered++;
    pending_add(g, r);
    if (r->is_write)
        list_push_back(&g->writes, &r->write);
    if (unlikely(r->refusal)) {
        list_push_back(&g->refused, &r->queue);
        gc_wake(g);
    } else if (r->is_async && g->on_their_way >= g->pipeline_max) {
        list_push_back(&g->backlog, &r->queue);
    } else {
        r->counted = r->is_async;
        g->on_their_way += r->is_async;
        gc_request_send(r);
    }
}

void gc_request_refuse(struct request *r, enum grid_err err, const char *why)
{
    r->refusal = err;
    r->why = why;
    gc_request_submit(r);
}

/* --- end -------------------------------------------------------------------------------------- */

static void unlink_all(struct request *r)
{
    struct grid *g = r->grid;
    table_remove(g, r);
    g->unanswered--;
    list_remove(&r->queue);
    list_remove(&r->pending);
    list_remove(&r->write);
    if (!r->counted)
        return;
    g->on_their_way--;
    struct list *next = list_pop_front(&g->backlog);
    if (next) {
        struct request *n = list_entry(next, struct request, queue);
        n->counted = true;
        g->on_their_way++;
        gc_request_send(n);
    }
}

static void finish(struct request *r, enum grid_err err, const struct wire_response *response,
                   const char *detail)
{
    struct grid *g = r->grid;
    const struct outcome o = {err, response, detail};
    unlink_all(r);
    g->answers++;
    g->depth++;
    r->finish(r, &o);
    g->depth--;
    free(r);
}

void gc_request_abandon(struct request *r)
{
    unlink_all(r);
    free(r);
}

/* --- sending ---------------------------------------------------------------------------------- */

static uint64_t lowest_number(const struct grid *g)
{
    return list_entry(g->writes.next, struct request, write)->number;
}

bool gc_requests_encode(struct link *l)
{
    struct list *first = list_pop_front(&l->queued);
    if (!first)
        return false;
    struct request *r = list_entry(first, struct request, queue);
    struct grid *g = l->grid;
    if (unlikely(!gc_buf_reserve(&l->out, WIRE_HEAD_BYTES_MAX + r->body_len))) {
        finish(r, GRID_ENOMEM, NULL, "no memory to send it");
        return true;
    }
    if (!r->first_sent)
        r->first_sent = g->now;
    r->cache_id = r->cache ? r->cache->id : 0;
    struct wire_head head = {.number = r->number, .op = r->op, .cache = r->cache_id};
    if (r->is_write) {
        head.lowest = lowest_number(g);
        head.age_ms = g->now - r->first_sent;
    }
    uint8_t *start = l->out.data + l->out.end;
    size_t head_len = gc_wire_head(start, &head, r->body_len);
    size_t frame_len = head_len + r->body_len;
    if (unlikely(frame_len - FRAME_HEADER_BYTES > g->frame_max)) {
        finish(r, GRID_ETOO_LARGE, NULL, "the request is larger than the server takes");
        return true;
    }
    if (r->body_len)
        memcpy(start + head_len, r->body, r->body_len);
    l->out.end += frame_len;
    l->encoded_bytes += frame_len;
    r->stream_end = l->encoded_bytes;
    r->read_mark = l->read_bytes;
    r->on_wire = true;
    list_push_back(&l->sent, &r->queue);
    return true;
}

static bool went_out(const struct request *r)
{
    return r->on_wire && r->link->sent_bytes >= r->stream_end;
}

/* It ends, for nobody knows whether it was done. */
static void lose(struct request *r)
{
    r->refusal = GRID_EIN_DOUBT;
    r->why = "the connection broke before it was answered";
    list_remove(&r->queue);
    list_push_back(&r->grid->refused, &r->queue);
    gc_wake(r->grid);
}

void gc_requests_return(struct link *l)
{
    for (struct list *it = l->sent.next, *next; it != &l->sent; it = next) {
        struct request *r = list_entry(it, struct request, queue);
        next = it->next;
        r->doubt = r->doubt || went_out(r);
        r->on_wire = false;
        if (r->once && r->doubt)
            lose(r);
    }
    list_splice_front(&l->queued, &l->sent);
}

void gc_requests_reroute(struct link *l)
{
    struct list all, *it;
    list_init(&all);
    list_splice_front(&all, &l->queued);
    while ((it = list_pop_front(&all)))
        gc_request_send(list_entry(it, struct request, queue));
}

void gc_requests_recall(struct link *l)
{
    for (struct list *it = l->sent.next, *next; it != &l->sent; it = next) {
        struct request *r = list_entry(it, struct request, queue);
        next = it->next;
        struct link *straight = gc_route_straight(l->grid, r);
        if (r->once || !straight || straight == l || l->grid->now < r->first_sent + RECALL_MS)
            continue;
        if (straight->shunned)
            gc_link_retry(straight);
        if (straight->shunned || !gc_link_sound(straight))
            continue;
        r->doubt = r->doubt || went_out(r);
        r->on_wire = r->local = false;
        list_remove(&r->queue);
        gc_request_send(r);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

/* BUSY and the like: not done; all that hear it rest together, longer each time in a row. */
static void rest(struct request *r, enum grid_err status, const char *detail)
{
    struct grid *g = r->grid;
    r->last_status = g->rest_status = status;
    snprintf(g->rest_why, sizeof g->rest_why, "%s", *detail ? detail : grid_err_text(status));
    if (list_empty(&g->resting)) {
        uint64_t ms = (uint64_t)REST_MS_MIN
                      << (g->rests < REST_DOUBLINGS ? g->rests : REST_DOUBLINGS);
        ms = ms < REST_MS_MAX ? ms : REST_MS_MAX;
        g->rest_until = g->now + 1 + ms / 2 + gc_dice(g, ms);
        g->rests++;
    }
    list_push_back(&g->resting, &r->queue);
}

static const char *detail_text(struct grid *g, struct grid_bytes detail)
{
    snprintf(g->detail, sizeof g->detail, "%.*s",
             (int)(detail.len < sizeof g->detail ? detail.len : sizeof g->detail - 1),
             detail.len ? (const char *)detail.data : "");
    return g->detail;
}

/* It can do nothing for anybody, and tells no topology: the next endpoint may. */
static void outside(struct grid *g, const struct link *l)
{
    if ((l == g->home || !g->topology.revision) && (g->endpoints_len > 1 || g->topology.revision))
        gc_roam(g);
}

static void answer_error(struct request *r, struct link *l, const struct wire_response *a)
{
    struct grid *g = r->grid;
    enum grid_err status = (enum grid_err)a->status;
    const char *detail = detail_text(g, a->detail);
    bool no_cache = status == GRID_ENO_CACHE || status == GRID_ENO_CONTEXT;
    if (status == GRID_EIN_DOUBT && r->is_write) { /* its number makes it safe to ask again (R13) */
        r->doubt = true;
        rest(r, status, detail);
        return;
    }
    if (gc_status_retryable(status)) {
        rest(r, status, detail);
        if (status == GRID_EENTERING)
            outside(g, l);
        return;
    }
    if (no_cache && r->cache && !r->reopened) {
        gc_cache_reopen(r);
        return;
    }
    if (r->changes && r->doubt && gc_status_says_nothing_of_before(status)) {
        char said[DETAIL_BYTES];
        snprintf(said, sizeof said, "%.200s", *detail ? detail : grid_err_text(status));
        snprintf(g->detail, sizeof g->detail, "an earlier sending got no answer; now: %s", said);
        finish(r, GRID_EIN_DOUBT, NULL, g->detail);
        return;
    }
    finish(r, status, a, detail);
}

void gc_requests_answer(struct grid *g, struct link *l, const struct wire_response *a)
{
    if (unlikely(a->owners.data))
        gc_learn_topology(g, l, a->owners);
    struct request *r = table_find(g, a->number);
    if (!r || !r->on_wire || r->link != l)
        return; /* a push, or the second answer to a request */
    list_remove(&r->queue);
    r->on_wire = false;
    if (likely(a->status == GRID_OK)) {
        g->rests = 0;
        finish(r, GRID_OK, a, "");
    } else {
        answer_error(r, l, a);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

/* Its time is over: done or not? */
static enum grid_err verdict(const struct request *r, char detail[DETAIL_BYTES])
{
    const struct grid *g = r->grid;
    const struct link *l = r->link ? r->link : g->home;
    const char *why = *l->why ? l->why : "no answer in time";
    if (r->changes && (r->doubt || went_out(r))) {
        snprintf(detail, DETAIL_BYTES, "sent, but no answer within %u ms%s%.180s", g->timeout_ms,
                 *l->why ? "; " : "", l->why);
        return GRID_EIN_DOUBT;
    }
    bool reached = l->state == LINK_OPEN;
    if (reached)
        why = !r->last_status                    ? "no answer in time"
              : r->last_status == g->rest_status ? g->rest_why
                                                 : grid_err_text(r->last_status);
    snprintf(detail, DETAIL_BYTES, "%.*s", DETAIL_BYTES - 1, why);
    if (reached || r->last_status)
        return GRID_ETIMEOUT;
    return l->refusal ? l->refusal : GRID_EUNREACHABLE;
}

static void expire(struct request *r)
{
    char detail[DETAIL_BYTES];
    enum grid_err err = verdict(r, detail);
    struct link *l = r->on_wire ? r->link : NULL;
    /* Not one byte came since, or it is stuck in our buffer (and must not go out after we said 'not
     * done'). */
    bool stuck = l && (l->read_bytes == r->read_mark || l->sent_bytes < r->stream_end);
    if (stuck)
        gc_link_break(l, "no answer in time");
    finish(r, err, NULL, detail);
}

void gc_requests_tick(struct grid *g)
{
    struct list *it, refused; /* those that completions add are for the next turn */
    list_init(&refused);
    list_splice_front(&refused, &g->refused);
    while ((it = refused.next) != &refused) {
        struct request *r = list_entry(it, struct request, queue);
        finish(r, r->refusal, NULL, r->why);
    }
    if (!list_empty(&g->resting) && g->rest_until <= g->now)
        while ((it = list_pop_front(&g->resting)))
            gc_request_send(list_entry(it, struct request, queue));
    while ((it = g->pending.next) != &g->pending) {
        struct request *r = list_entry(it, struct request, pending);
        if (r->deadline > g->now)
            break;
        expire(r);
    }
}

uint64_t gc_requests_due(const struct grid *g)
{
    uint64_t due = 0;
    if (!list_empty(&g->refused))
        return g->now ? g->now : 1;
    if (!list_empty(&g->pending))
        due = list_entry(g->pending.next, struct request, pending)->deadline;
    if (!list_empty(&g->resting) && (!due || g->rest_until < due))
        due = g->rest_until;
    return due;
}

void gc_requests_cancel_all(struct grid *g)
{
    struct list *it;
    while ((it = g->pending.next) != &g->pending)
        finish(list_entry(it, struct request, pending), GRID_ECANCELLED, NULL,
               "the grid was closed");
}
