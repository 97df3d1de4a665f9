/* http_job.c - /v1/jobs: submitted, asked for, cancelled.
 *
 * A job's id is the caller's choice (compute/job.h). An HTTP client has none: it is made of user,
 * cache, key and Idempotency-Key (http_once.c), so that what is submitted again is the same job;
 * without that of what no other request is. Whether who asks may see or cancel one is known when
 * its row is: so both look at it first. */
#include "session/http_priv.h"

#include "base/json.h"
#include "base/sha1.h"
#include "session/http_once.h"
#include "session/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOCATION_BYTES = 64, KEY_BYTES = 24, SUBMIT = JOB_ACTIONS_LEN };
_Static_assert((int)SHA1_BYTES == JOB_ID_BYTES - JOB_PLACE_BYTES + 8,
               "an id ends with the beginning of a digest, a key that is made with the rest");

static const char no_id[] = "the id of a job has 32 digits, 0 to 9 and a to f";

static struct job_id *id_keep(struct http_pending *p, const struct job_id *id)
{
    struct job_id *kept = malloc(sizeof *kept);
    CHECK(kept);
    *kept = *id;
    p->state = kept; /* freed with the request */
    return kept;
}

static void refuse(struct http_session *h, struct http_pending *p, unsigned action,
                   enum grid_err err)
{
    http_problem(h, p, err, session_job_why(action, err));
}

/* --- submit ----------------------------------------------------------------------------------- */

static void on_submitted(struct http_session *h, struct http_pending *p, const struct result *res)
{
    char id[JOB_ID_TEXT + 1], text[JOB_ID_TEXT + 16], location[LOCATION_BYTES];
    struct result told = *res;
    struct buf out = BUF_INIT;
    session_job_said(&h->base, SUBMIT, &told, &out);
    buf_release(&out);
    if (told.status == GRID_ENO_TASK && told.value.len) {
        char why[WHY_BYTES];
        snprintf(why, sizeof why, "%.*s", (int)told.value.len, (const char *)told.value.data);
        http_problem(h, p, told.status, why);
        return;
    }
    if (told.status == GRID_EEXISTS) {
        http_refuse(h, p, 422, http_once_other, NULL);
        return;
    }
    if (told.status) {
        refuse(h, p, SUBMIT, told.status);
        return;
    }
    job_id_text(p->state, id);
    snprintf(text, sizeof text, "{\"id\":\"%s\"}\n", id);
    snprintf(location, sizeof location, "Location: /v1/jobs/%s\r\n", id);
    struct http_answer a = {.status = 201,
                            .media = slice_str("application/json"),
                            .body = slice_str(text),
                            .more = location};
    http_answer(h, p, &a);
}

/* Without an Idempotency-Key: of this request, in this life of this node. */
static void digest_make(const struct http_session *h, const struct http_pending *p,
                        const struct http_once *once, uint8_t ret_digest[SHA1_BYTES])
{
    struct buf named = BUF_INIT;
    const struct session *s = &h->base;
    const uint64_t here[] = {s->view->epoch, s->ports->shard, (uintptr_t)h, p->number,
                             s->ports->now_us(s->ports->ctx)};
    if (once->there) {
        memcpy(ret_digest, once->digest, SHA1_BYTES);
        return;
    }
    buf_add(&named, s->view->node_id, sizeof s->view->node_id);
    buf_add(&named, here, sizeof here);
    sha1(buf_slice(&named), ret_digest);
    buf_release(&named);
}

/* What the request keeps. */
struct submitted {
    struct job_id id;
    char key[KEY_BYTES];
    uint8_t labels[JOB_LABELS_MAX + 1];
};

/* Without a key: one of its own, and any node with the labels may run it. */
static void anywhere_set(struct submitted *made, const uint8_t digest[SHA1_BYTES], struct op *op,
                         struct job_ask *ask)
{
    size_t len = ask->labels.len < JOB_LABELS_MAX ? ask->labels.len : (size_t)JOB_LABELS_MAX;
    snprintf(made->key, sizeof made->key, "job-%016" PRIx64, load_u64(digest + SHA1_BYTES - 8));
    op->key = slice_str(made->key);
    made->labels[0] = JOB_ANYWHERE;
    if (len)
        memcpy(made->labels + 1, ask->labels.data, len);
    ask->labels = slice_make(made->labels, len + 1);
}

static struct fault submit(struct http_session *h, struct http_request *r, struct op *op,
                           struct slice name, const struct http_once *once, struct job_ask *ask)
{
    uint8_t digest[SHA1_BYTES];
    struct submitted *made = http_alloc(h, r->pending, sizeof *made);
    if (!made)
        return (struct fault){GRID_EBUSY, NULL};
    digest_make(h, r->pending, once, digest);
    if (!op->key.len)
        anywhere_set(made, digest, op, ask);
    struct fault f = session_place(&h->base, op);
    if (f.err)
        return f;
    made->id = job_id_make(cache_context(op->cache), op->slot, digest);
    ask->id = slice_make(id_keep(r->pending, &made->id)->bytes, JOB_ID_BYTES);
    return session_job(&h->base, op, name, ask);
}

/* False: answered. */
static bool ask_read(struct http_session *h, struct http_request *r, struct job_ask *a)
{
    uint64_t most = JOB_MS_MAX;
    a->priority = JOB_PRIORITY_USUAL;
    return http_query_number(h, r, "priority", JOB_PRIORITIES - 1, &a->priority) &&
           http_query_number(h, r, "attempts", JOB_ATTEMPTS_MAX, &a->attempts) &&
           http_query_number(h, r, "backoff_ms", most, &a->backoff_ms) &&
           http_query_number(h, r, "time_ms", most, &a->time_ms) &&
           http_query_number(h, r, "delay_ms", most, &a->delay_ms) &&
           http_query_number(h, r, "keep_ms", most, &a->keep_ms) &&
           http_query(h, r, "nodes", &a->labels);
}

void http_job_submit(struct http_session *h, struct http_request *r)
{
    struct slice name, key, affinity;
    struct http_once once;
    struct job_ask ask = {.action = SUBMIT};
    uint32_t cache = http_query_cache(h, r);
    if (!cache || !http_query(h, r, "key", &key) || !http_affinity(h, r, &affinity) ||
        !http_segment(h, r, 0, &name) || !ask_read(h, r, &ask) || !http_plain(h, r))
        return;
    if (!http_once(h, r, &(struct http_asked){cache, key, name, r->body, {NULL, 0}}, &once))
        return;
    struct op *op = http_alloc(h, r->pending, sizeof *op);
    if (!op)
        return;
    *op = (struct op){.cache = cache, .key = key, .affinity = affinity, .value = r->body};
    struct fault f = key.data && !key.len ? (struct fault){GRID_EBAD_REQUEST, "the key is empty"}
                                          : submit(h, r, op, name, &once, &ask);
    if (f.err) {
        http_problem(h, r->pending, f.err, f.why);
        return;
    }
    r->pending->result = on_submitted;
    http_submit(h, r->pending, op);
}

/* --- show ------------------------------------------------------------------------------------- */

static void add_text(struct buf *out, const char *name, struct slice text)
{
    json_add_name(out, name);
    json_add_string(out, text);
}

static void add_number(struct buf *out, const char *name, uint64_t n)
{
    json_add_name(out, name);
    buf_printf(out, "%" PRIu64, n);
}

static void add_job(const struct http_session *h, struct buf *out, const struct job_id *id,
                    const struct job_row *row)
{
    const struct catalog *c = session_catalog(&h->base);
    const struct context_info *context = catalog_context(c, cache_context((uint32_t)row->cache));
    const struct cache_info *cache = catalog_cache(c, (uint32_t)row->cache);
    const uint8_t *life = row->node.len ? memchr(row->node.data, '#', row->node.len) : NULL;
    char text[JOB_ID_TEXT + 1], path[2 * NAME_BYTES_MAX + 2];
    job_id_text(id, text);
    snprintf(path, sizeof path, "%s/%s", context ? context->name : "?", cache ? cache->name : "?");
    buf_add_u8(out, '{');
    add_text(out, "id", slice_str(text));
    add_text(out, "job", row->name);
    add_text(out, "status", slice_str(job_status_text(row->status)));
    if (row->progress != JOB_PROGRESS_NONE) {
        json_add_name(out, "progress");
        buf_printf(out, "%.4f", (double)row->progress / JOB_PROGRESS_WHOLE);
    }
    add_text(out, "cache", slice_str(path));
    json_add_name(out, "key");
    json_add_bytes(out, row->key);
    add_text(out, "node",
             life ? slice_make(row->node.data, (size_t)(life - row->node.data)) : row->node);
    add_text(out, "schedule", row->schedule);
    add_number(out, "attempt", row->attempt);
    add_number(out, "checkpoints", row->step);
    add_number(out, "failures", row->failures);
    add_number(out, "attempts", row->attempts_max);
    add_number(out, "priority", row->priority);
    add_number(out, "submitted_ms", row->submitted);
    add_number(out, "began_ms", row->began);
    add_number(out, "ended_ms", row->ended);
    add_number(out, "deadline_ms", row->deadline);
    json_add_name(out, "result");
    json_add_bytes(out, row->result);
    buf_add_text(out, "}\n");
}

static void on_shown(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct buf out = BUF_INIT;
    struct job_row row;
    enum grid_err err = session_job_row(&h->base, res, &row);
    if (err) {
        refuse(h, p, ACTION_JOB_SHOW, err);
        return;
    }
    add_job(h, &out, p->state, &row);
    if (session_too_much(&h->base, out.len + h->held))
        http_problem(h, p, GRID_EBUSY, "too many unread answers");
    else
        http_json(h, p, buf_slice(&out));
    buf_release(&out);
}

/* Look at the job that the path names. */
static void look(struct http_session *h, struct http_request *r, http_result_fn *result)
{
    struct slice text;
    struct job_id id;
    if (!http_segment(h, r, 0, &text))
        return;
    if (!job_id_parse(text, &id)) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST, no_id);
        return;
    }
    struct op *op = http_alloc(h, r->pending, sizeof *op);
    if (!op)
        return;
    *op = (struct op){.cache = 0};
    struct job_ask ask = {.action = ACTION_JOB_SHOW,
                          .id = slice_make(id_keep(r->pending, &id)->bytes, JOB_ID_BYTES)};
    struct fault f = session_job(&h->base, op, slice_make(NULL, 0), &ask);
    if (f.err) {
        http_problem(h, r->pending, f.err, f.why);
        return;
    }
    r->pending->result = result;
    http_submit(h, r->pending, op);
}

void http_job_show(struct http_session *h, struct http_request *r)
{
    look(h, r, on_shown);
}

/* --- cancel ----------------------------------------------------------------------------------- */

static void on_cancelled(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct buf out = BUF_INIT;
    struct result told = *res;
    session_job_said(&h->base, ACTION_JOB_CANCEL, &told, &out);
    buf_release(&out);
    if (told.status)
        refuse(h, p, ACTION_JOB_CANCEL, told.status);
    else
        http_answer(h, p, &(struct http_answer){.status = 204});
}

static void on_found(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct job_row row;
    struct op op = {.cache = 0};
    struct job_room room;
    enum grid_err err = session_job_row(&h->base, res, &row);
    if (err) {
        refuse(h, p, ACTION_JOB_CANCEL, err);
        return;
    }
    struct fault f = session_job_cancel(&h->base, &op, p->state, &room);
    if (f.err) {
        http_problem(h, p, f.err, f.why);
        return;
    }
    p->result = on_cancelled;
    http_submit_again(h, p, &op);
}

void http_job_cancel(struct http_session *h, struct http_request *r)
{
    look(h, r, on_found);
}
