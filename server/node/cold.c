/* cold.c - the thread that reads the checkpoint for a shard, so that a disk never stops its
 * turns. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdlib.h>

struct cold_job {
    struct note note;
    bool scan;
    uint64_t token;
    uint32_t context;
    uint16_t partition;
    uint32_t cache;
    uint32_t after_cache;
    uint32_t limit;
    size_t bytes_max;
    uint8_t key[KEY_BYTES_MAX];
    size_t key_len;
    enum grid_err err;
    struct buf bytes;
    struct checkpoint_entry entry;
    struct checkpoint_page page;
};

struct cold_entry cold_entry_of(const struct checkpoint_entry *e)
{
    return (struct cold_entry){e->key, e->affinity, e->value, e->version, e->deadline, e->type};
}

static void found_tell(struct worker *w, struct cold_job *j)
{
    struct cold_entry found = cold_entry_of(&j->entry);
    bool missing = j->err == GRID_ENOT_FOUND;
    shard_cold_found(w->shard, j->token, missing ? GRID_OK : j->err,
                     j->err == GRID_OK ? &found : NULL, loop_wall_ms(w->loop));
}

static void scanned_tell(struct worker *w, struct cold_job *j)
{
    struct cold_entry *entries = xcalloc(j->page.len, sizeof *entries);
    uint32_t *caches = xcalloc(j->page.len, sizeof *caches);
    for (size_t i = 0; i < j->page.len; i++) {
        entries[i] = cold_entry_of(&j->page.entries[i]);
        caches[i] = j->page.entries[i].cache;
    }
    shard_cold_scanned(w->shard, j->token, j->err, entries, caches,
                       j->err == GRID_OK ? j->page.len : 0, j->page.done, loop_wall_ms(w->loop));
    free(entries);
    free(caches);
}

/* On the worker. */
static void answer_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    struct cold_job *j = container_of(n, struct cold_job, note);
    if (j->err == GRID_ECORRUPT)
        damage_found(w, j->context, j->partition);
    else if (j->err != GRID_OK && j->err != GRID_ENOT_FOUND)
        log_error("store", "context %u partition %u: %s: an entry on disk cannot be read",
                  j->context, j->partition, err_text(j->err));
    if (j->scan)
        scanned_tell(w, j);
    else
        found_tell(w, j);
    loop_timer_set(&w->tick, 0);
    buf_release(&j->bytes);
    checkpoint_page_release(&j->page);
    free(j);
}

static void *cold_body(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        bool stop = atomic_load(&w->cold.stop);
        struct mail *m = mailbox_take(w->cold.box);
        if (!m && stop)
            return NULL;
        if (!m)
            m = mailbox_wait(w->cold.box, -1);
        while (m) {
            struct mail *next = m->next;
            struct cold_job *j =
                container_of(container_of(m, struct note, mail), struct cold_job, note);
            struct slice key = slice_make(j->key, j->key_len);
            if (j->scan)
                j->err = checkpoint_scan(w->checkpoint, j->context, j->partition, j->cache,
                                         j->after_cache, key, j->limit, j->bytes_max, &j->page);
            else
                j->err = checkpoint_get(w->checkpoint, j->context, j->partition, j->cache, key,
                                        &j->bytes, &j->entry);
            worker_post(w, &j->note);
            m = next;
        }
    }
}

static struct cold_job *job_new(uint64_t token, uint32_t context, uint16_t partition,
                                uint32_t cache, struct slice key)
{
    CHECK(key.len <= KEY_BYTES_MAX);
    struct cold_job *j = xcalloc(1, sizeof *j);
    j->note.run = answer_run;
    j->token = token;
    j->context = context;
    j->partition = partition;
    j->cache = cache;
    j->key_len = key.len;
    if (key.len)
        memcpy(j->key, key.data, key.len);
    return j;
}

/* When the node has stopped nobody is told any more. */
void cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition, uint32_t cache,
              struct slice key)
{
    struct worker *w = ctx;
    if (atomic_load(&w->cold.stop))
        return;
    mailbox_post(w->cold.box, &job_new(token, context, partition, cache, key)->note.mail);
}

void cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition, uint32_t cache,
               uint32_t after_cache, struct slice after, uint32_t limit, size_t bytes)
{
    struct worker *w = ctx;
    if (atomic_load(&w->cold.stop))
        return;
    struct cold_job *j = job_new(token, context, partition, cache, after);
    j->scan = true;
    j->after_cache = after_cache;
    j->limit = limit;
    j->bytes_max = bytes;
    mailbox_post(w->cold.box, &j->note.mail);
}

bool cold_start(struct worker *w)
{
    return helper_start(&w->cold, w, "cold", cold_body);
}

void cold_end(struct worker *w)
{
    helper_end(&w->cold, w);
}
