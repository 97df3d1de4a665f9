/* story.c - tells the stories. */
#include "tests/sim/story.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* --- a client --------------------------------------------------------------------------------- */

static struct node_shard *node(struct story *s)
{
    return &s->w.shards[0];
}

static unsigned say(struct story *s, struct op *op, unsigned context, const char *key)
{
    CHECK(s->heard_len < STORY_ANSWERS);
    op->cache = s->w.caches[context];
    op->partition = (uint16_t)((unsigned)(key[0] - 'a') % SIM_PARTITIONS);
    if (op->kind != OP_BATCH && op->kind != OP_COUNT)
        op->key = slice_str(key);
    op->ticket.number = s->heard_len++;
    if (!s->w.failed) /* there may be no node any more */
        shard_submit_all(node(s)->shard, &op, 1, s->w.now);
    return s->heard_len - 1;
}

unsigned say_put(struct story *s, unsigned context, const char *key, const char *value)
{
    struct op op = {.kind = OP_PUT, .value = slice_str(value)};
    return say(s, &op, context, key);
}

unsigned say_put_ttl(struct story *s, unsigned context, const char *key, const char *value,
                     msec_t ttl_ms)
{
    struct op op = {.kind = OP_PUT, .value = slice_str(value), .ttl = TTL_SET, .ttl_ms = ttl_ms};
    return say(s, &op, context, key);
}

unsigned say_put_new(struct story *s, unsigned context, const char *key, const char *value)
{
    struct op op = {.kind = OP_PUT, .value = slice_str(value), .condition = IF_ABSENT};
    return say(s, &op, context, key);
}

unsigned say_put_both(struct story *s, unsigned context, const char *key, const char *other,
                      const char *value)
{
    struct op both[2] = {{.kind = OP_PUT, .key = slice_str(key), .value = slice_str(value)},
                         {.kind = OP_PUT, .key = slice_str(other), .value = slice_str(value)}};
    struct op op = {.kind = OP_BATCH, .batch = both, .batch_len = 2};
    both[0].cache = both[1].cache = s->w.caches[context];
    return say(s, &op, context, key);
}

unsigned say_delete(struct story *s, unsigned context, const char *key)
{
    struct op op = {.kind = OP_DELETE};
    return say(s, &op, context, key);
}

unsigned say_count_up(struct story *s, unsigned context, const char *key, uint64_t number)
{
    struct op op = {.kind = OP_INCR, .delta = 1, .has_session = true};
    memset(op.session.id.bytes, 7, sizeof op.session.id.bytes);
    op.session.number = number;
    op.session.lowest = 1;
    return say(s, &op, context, key);
}

unsigned say_get(struct story *s, unsigned context, const char *key)
{
    struct op op = {.kind = OP_GET};
    return say(s, &op, context, key);
}

unsigned say_size(struct story *s, unsigned context, const char *key_of_partition)
{
    struct op op = {.kind = OP_COUNT};
    return say(s, &op, context, key_of_partition);
}

void story_reply(struct story *s, const struct ticket *to, const struct result *res)
{
    struct heard *h = &s->heard[to->number];
    size_t len = res->value.len < STORY_VALUE_MAX ? res->value.len : STORY_VALUE_MAX;
    if (h->told)
        world_fail(&s->w, "%s: answered twice", s->name);
    h->told = true;
    h->repeated = res->repeated;
    h->status = res->status;
    h->version = res->version;
    h->number = res->number;
    if (len)
        memcpy(h->value, res->value.data, len);
    h->value[len] = '\0';
}

/* --- what happens ----------------------------------------------------------------------------- */

void then_write(struct story *s)
{
    if (s->w.dead || s->w.failed)
        return;
    log_close(&s->w, node(s));
    while (node(s)->batches_len > 1 && !s->w.dead && !s->w.failed)
        log_write(&s->w, node(s));
}

void then_sync(struct story *s)
{
    then_write(s);
    if (!s->w.dead && !s->w.failed)
        log_sync(&s->w, node(s));
    if (!s->w.dead && !s->w.failed)
        log_tell(&s->w, node(s));
}

void then_fold(struct story *s)
{
    then_sync(s);
    if (s->w.dead || s->w.failed)
        return;
    fold_prepare(&s->w, node(s));
    fold_run(&s->w, node(s));
    fold_tell(&s->w, node(s));
    fold_prepare(&s->w, node(s));
}

void then_read(struct story *s)
{
    while (node(s)->questions_len)
        node_cold(&s->w, node(s));
}

void then_crash(struct story *s)
{
    if (!s->w.failed)
        node_crash(&s->w);
}

void then_stop(struct story *s)
{
    if (!s->w.failed)
        node_restart(&s->w, FLIP_NONE);
}

void then_wait(struct story *s, msec_t ms)
{
    s->w.now += ms;
    if (!s->w.failed)
        shard_tick(node(s)->shard, s->w.now);
}

void then_give_up(struct story *s, unsigned context, const char *key_of_partition)
{
    uint16_t partition = (uint16_t)((unsigned)(key_of_partition[0] - 'a') % SIM_PARTITIONS);
    then_fold(s);
    if (!s->w.failed)
        node_give_up(&s->w, node(s), cache_context(s->w.caches[context]), partition);
}

struct search {
    struct story *s;
    const char *text;
    bool batch; /* its header, not the text */
    bool found;
};

/* Where the batch around `at` begins: with the stamp that the segment's header has. */
static uint64_t batch_begin(const uint8_t *bytes, uint64_t at)
{
    enum { STAMP_AT = 32 };
    for (at -= at % 8; at > 8 && memcmp(bytes + at, bytes + STAMP_AT, 8) != 0;)
        at -= 8;
    return at;
}

static void search_name(void *ctx, const char *name)
{
    struct search *f = ctx;
    struct disk *d = f->s->w.disk;
    struct disk_file *file;
    static uint8_t bytes[1 << 16];
    char path[128];
    size_t len = 0;
    snprintf(path, sizeof path, "wal-0/%.100s", name);
    if (f->found || d->ops->open(d, path, false, &file) != 0)
        return;
    if (file->ops->pread(file, bytes, sizeof bytes, 0, &len) == 0 && len) {
        const uint8_t *at = memmem(bytes, len, f->text, strlen(f->text));
        uint64_t place = at ? (uint64_t)(at - bytes) : 0;
        if (at && f->batch)
            place = batch_begin(bytes, place) + f->s->fate;
        f->found = at && disk_mem_flip(d, path, place, f->s->fate);
    }
    d->ops->close(file);
}

static void flip(struct story *s, const char *text, bool batch)
{
    struct search f = {.s = s, .text = text, .batch = batch};
    s->w.flipped = true;
    s->w.disk->ops->list(s->w.disk, "wal-0", search_name, &f);
    EXPECT(s, f.found);
}

void then_flip(struct story *s, const char *text)
{
    flip(s, text, false);
}

void then_flip_batch(struct story *s, const char *text)
{
    flip(s, text, true);
}

/* --- what must be ----------------------------------------------------------------------------- */

void story_expect(struct story *s, bool good, const char *what, const char *file, int line)
{
    if (!good)
        world_fail(&s->w, "%s: %s (%s:%d; last answer: %s)", s->name, what, file, line,
                   s->heard_len ? err_name(status_of(s, s->heard_len - 1)) : "none");
}

bool told(const struct story *s, unsigned answer)
{
    return s->heard[answer].told;
}

enum grid_err status_of(const struct story *s, unsigned answer)
{
    return told(s, answer) ? s->heard[answer].status : GRID_EBUSY;
}

enum grid_err status_of_get(struct story *s, unsigned context, const char *key)
{
    unsigned get = say_get(s, context, key);
    then_read(s);
    return status_of(s, get);
}

bool story_holds(struct story *s, unsigned context, const char *key, const char *value)
{
    unsigned get = say_get(s, context, key);
    then_read(s);
    if (!value)
        return status_of(s, get) == GRID_ENOT_FOUND;
    return status_of(s, get) == GRID_OK && strcmp(s->heard[get].value, value) == 0;
}

/* --- telling ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*tell)(struct story *s);
    uint64_t memory_limit;
} stories[] = {
#define X(name, limit) {#name, name, limit},
    STORIES(X)
#undef X
};

static const char *story_tell(size_t at, unsigned fate)
{
    static struct story s;
    s = (struct story){.name = stories[at].name, .fate = fate};
    struct world *w = &s.w;
    w->story = &s;
    w->seed = fate;
    w->calm = true;
    w->now = 1000000;
    w->prng.state = 0x9e3779b97f4a7c15u * (fate + 1);
    w->mix = (struct mix){.shards = 1,
                          .segment_bytes = WAL_SEGMENT_BYTES_MIN,
                          .changes_max = 10,
                          .memory_limit = stories[at].memory_limit};
    w->model.shards = 1;
    contexts_make(w);
    node_make(w);
    stories[at].tell(&s);
    if (!w->failed)
        shard_check(w->shards[0].shard);
    world_release(w);
    return w->failed ? w->why : NULL;
}

const char *story_run(const char *name, unsigned fate)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
        if (strcmp(name, stories[i].name) == 0)
            return story_tell(i, fate);
    return "there is no such story";
}
