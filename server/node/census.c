/* census.c - what the other nodes have, too: the request of an operator is asked of all nodes that
 * are up, over the control links, and answered by each with what it has itself. Who does not answer
 * in time is left out: the answer says so where it matters. After a change they are asked whether
 * they know it; who is too slow for that is about to be taken for dead. */
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "node/membership.h"
#include "wire/peer.h"

#include <stdlib.h>

enum {
    PATIENCE_MS = 500,        /* `status` must be told while a node hangs */
    PATIENCE_KNOWN_MS = 1500, /* twice the failure_timeout at defaults */
    PATIENCE_LONG_MS = 8000,  /* what reads a lot */
    ARENA_BYTES = 256 << 20,
};

struct census {
    struct list asking; /* of struct job */
    uint64_t number;    /* of the last question */
};

bool census_asks(const struct job *j)
{
    static const bool all[] = {
        [ADMIN_STATUS] = true,
        [ADMIN_CONTEXT_LIST] = true,
        [ADMIN_CONTEXT_SHOW] = true,
        [ADMIN_CACHE_LIST] = true,
        [ADMIN_PARTITION_LIST] = true,
        [ADMIN_VERIFY] = true,
        [ADMIN_PARTITION_RECOVER] = true,
        [ADMIN_PARTITION_REPAIR] = true,
        [ADMIN_SERVICE_LIST] = true,
    };
    unsigned op = (unsigned)j->request.op;
    if (!j->node->membership || j->remote)
        return false;
    return j->known || (op < sizeof all / sizeof *all && all[op]);
}

const struct word *census_word(const struct job *j, uint32_t node)
{
    for (size_t i = 0; i < j->words_len; i++)
        if (j->words[i].node == node)
            return j->words[i].there ? &j->words[i] : NULL;
    return NULL;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void census_end(struct job *j)
{
    list_remove(&j->asking);
    loop_timer_stop(&j->patience);
    job_part(j);
}

static msec_t patience(const struct job *j)
{
    if (j->known)
        return PATIENCE_KNOWN_MS;
    bool reads = j->request.op == ADMIN_VERIFY || j->request.op == ADMIN_PARTITION_RECOVER;
    return reads ? PATIENCE_LONG_MS : PATIENCE_MS;
}

static void patience_over(void *ctx)
{
    struct job *j = ctx;
    if (!list_empty(&j->asking))
        census_end(j);
}

void census_begin(struct job *j)
{
    struct node *n = j->node;
    const struct grid_state *s = membership_state(n);
    struct admin_letter l = {.request = j->request, .known = j->known};
    struct buf bytes = BUF_INIT;
    if (!n->census) {
        n->census = xcalloc(1, sizeof *n->census);
        list_init(&n->census->asking);
    }
    l.number = j->number = ++n->census->number;
    wire_peer_put(&bytes, WIRE_PEER_ADMIN);
    wire_admin_letter_encode(&l, &bytes);
    j->words = xcalloc(s->nodes_len, sizeof *j->words);
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *node = &s->nodes[i];
        if (node->state != NODE_UP || memcmp(node->info.id, n->view.node_id, GRID_ID_BYTES) == 0 ||
            !membership_post(n, node->info.id, buf_slice(&bytes)))
            continue;
        struct word *w = &j->words[j->words_len++];
        memcpy(w->id, node->info.id, GRID_ID_BYTES);
        w->node = node->number;
    }
    buf_release(&bytes);
    j->words_left = j->words_len;
    if (!j->words_left) {
        job_part(j);
        return;
    }
    list_push_back(&n->census->asking, &j->asking);
    loop_timer_init(&j->patience, n->loop, patience_over, j);
    loop_timer_set(&j->patience, patience(j));
}

static void word_take(struct job *j, struct word *w, const struct admin_letter *l)
{
    if (!j->arena)
        j->arena = arena_new(ARENA_BYTES);
    w->answered = true;
    uint8_t *kept = arena_alloc(j->arena, l->reply.len + 1);
    if (kept && !l->err) {
        if (l->reply.len)
            memcpy(kept, l->reply.data, l->reply.len);
        w->there =
            wire_admin_reply_decode(slice_make(kept, l->reply.len), j->arena, &w->reply) == GRID_OK;
    }
}

static void answer_take(struct node *n, const uint8_t *from, const struct admin_letter *l)
{
    list_for_each (it, &n->census->asking) {
        struct job *j = list_entry(it, struct job, asking);
        if (j->number != l->number)
            continue;
        for (size_t i = 0; i < j->words_len; i++)
            if (memcmp(j->words[i].id, from, GRID_ID_BYTES) == 0 && !j->words[i].answered) {
                word_take(j, &j->words[i], l);
                j->words_left--;
            }
        if (!j->words_left)
            census_end(j);
        return;
    }
}

/* --- answering -------------------------------------------------------------------------------- */

static void known(void *ctx, const struct grid_done *d)
{
    struct job *j = ctx;
    if (d->err) /* this node ends */
        job_free(j);
    else
        job_visits(j);
}

static void question_take(struct node *n, const uint8_t *from, const struct admin_letter *l)
{
    struct job *j = job_new(n, &l->request);
    if (!l->known && !census_asks(j)) { /* of a newer version */
        free(j);
        return;
    }
    j->remote = true;
    memcpy(j->asker, from, GRID_ID_BYTES);
    j->asker_number = l->number;
    if (l->known)
        membership_known(n, l->known, known, j);
    else if (verify_begin(j))
        job_visits(j);
    else
        job_answer(j);
}

void census_answer(struct job *j)
{
    struct buf bytes = BUF_INIT;
    struct admin_letter l = {.is_answer = true,
                             .number = j->asker_number,
                             .err = j->err,
                             .why = slice_str(j->why),
                             .reply = j->err ? slice_make(NULL, 0) : buf_slice(&j->reply)};
    wire_peer_put(&bytes, WIRE_PEER_ADMIN);
    wire_admin_letter_encode(&l, &bytes);
    (void)membership_post(j->node, j->asker, buf_slice(&bytes)); /* else nobody waits any more */
    buf_release(&bytes);
}

void census_message(struct node *n, const uint8_t *from, struct slice body)
{
    struct admin_letter l;
    if (n->stopping || wire_admin_letter_decode(body, &l))
        return; /* of a newer version, perhaps: nobody answers, as if there was no time */
    if (!l.is_answer)
        question_take(n, from, &l);
    else if (n->census)
        answer_take(n, from, &l);
}

void census_lost(struct node *n, const uint8_t *from)
{
    if (!n->census || n->stopping)
        return;
    list_for_each_safe (it, &n->census->asking) {
        struct job *j = list_entry(it, struct job, asking);
        for (size_t i = 0; i < j->words_len; i++) {
            struct word *w = &j->words[i];
            if (memcmp(w->id, from, GRID_ID_BYTES) != 0 || w->answered)
                continue;
            w->answered = true;
            if (!--j->words_left) {
                census_end(j);
                break;
            }
        }
    }
}

void census_free(struct node *n)
{
    struct list *it;
    while (n->census && (it = list_pop_front(&n->census->asking))) {
        struct job *j = list_entry(it, struct job, asking);
        job_free(j);
    }
    free(n->census);
    n->census = NULL;
}
