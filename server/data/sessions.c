/* sessions.c - the sessions of a partition: an open-addressed map by id, half full at most, and a
 * list by last use, oldest first. A session goes to the end of the list once in LISTED_MS at most,
 * so that a write does not touch its neighbours: one may end so much later, never earlier. */
#include "data/sessions.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/prefetch.h"
#include "data/results_priv.h"

#include <stdlib.h>

enum { MAP_MIN = 2, HEAD_BYTES = 8, BY_USE_STEPS_MAX = 1000, LISTED_MS = 1000 };

__extension__ typedef unsigned __int128 wide;

struct sessions {
    struct results **map; /* NULL: free place */
    size_t len, cap;      /* cap: a power of two, or 0 */
    size_t bytes;
    uint64_t seed, seed_high;
    struct list by_use;
};

struct sessions *sessions_new(uint64_t hash_seed)
{
    struct sessions *s = xcalloc(1, sizeof *s);
    s->seed = hash_seed;
    s->seed_high = hash_key(slice_make(&hash_seed, sizeof hash_seed), hash_seed);
    s->bytes = sizeof *s + HEAD_BYTES;
    list_init(&s->by_use);
    return s;
}

void sessions_free(struct sessions *s)
{
    if (!s)
        return;
    list_for_each_safe (it, &s->by_use) {
        struct results *one = list_entry(it, struct results, link);
        results_release(one);
        free(one);
    }
    free(s->map);
    free(s);
}

/* --- the map ---------------------------------------------------------------------------------- */

/* Ids are random, unless somebody is hostile: the seed is secret. */
static inline size_t id_home(const struct sessions *s, const struct session_id *id)
{
    uint64_t low = load_u64(id->bytes) ^ s->seed;
    uint64_t high = load_u64(id->bytes + 8) ^ s->seed_high;
    wide product = (wide)low * high;
    return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & (s->cap - 1);
}

static inline bool id_eq(const struct session_id *a, const struct session_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Its place in the map, or the free one where it would be. cap > 0. */
static inline size_t map_find(const struct sessions *s, const struct session_id *id)
{
    size_t at = id_home(s, id);
    while (s->map[at] && !id_eq(&s->map[at]->id, id))
        at = (at + 1) & (s->cap - 1);
    return at;
}

static struct results *find(const struct sessions *s, const struct session_id *id)
{
    return s->cap ? s->map[map_find(s, id)] : NULL;
}

static void map_resize(struct sessions *s, size_t cap)
{
    struct results **old = s->map;
    size_t old_cap = s->cap;
    s->map = xcalloc(cap, sizeof(struct results *));
    s->cap = cap;
    s->bytes += cap * sizeof(struct results *) + (old_cap ? 0 : (size_t)HEAD_BYTES);
    s->bytes -= old_cap * sizeof(struct results *);
    for (size_t i = 0; i < old_cap; i++)
        if (old[i])
            s->map[map_find(s, &old[i]->id)] = old[i];
    free(old);
}

static void map_insert(struct sessions *s, struct results *one)
{
    if ((s->len + 1) * 2 > s->cap)
        map_resize(s, s->cap ? s->cap * 2 : (size_t)MAP_MIN);
    s->map[map_find(s, &one->id)] = one;
    s->len++;
    s->bytes += sizeof *one + HEAD_BYTES;
    list_push_back(&s->by_use, &one->link);
}

/* Close the gap at `at`: what was pushed past it moves back. */
static void map_erase(struct sessions *s, size_t at)
{
    size_t mask = s->cap - 1;
    for (size_t next = (at + 1) & mask; s->map[next]; next = (next + 1) & mask) {
        size_t home = id_home(s, &s->map[next]->id);
        if (((next - home) & mask) >= ((next - at) & mask)) {
            s->map[at] = s->map[next];
            at = next;
        }
    }
    s->map[at] = NULL;
    s->len--;
    if (s->cap > MAP_MIN && s->len < s->cap / 8)
        map_resize(s, s->cap / 2);
}

/* --- results ---------------------------------------------------------------------------------- */

enum session_state sessions_find(const struct sessions *s, const struct record_session *rs,
                                 struct session_answer *ret_answer)
{
    if (rs->number < rs->lowest)
        return SESSION_FORGOTTEN;
    const struct results *one = find(s, &rs->id);
    if (!one)
        return s->len < SESSION_SESSIONS_MAX ? SESSION_NEW : SESSION_FULL;
    if (rs->number < one->lowest)
        return SESSION_FORGOTTEN;
    const struct session_result *result = results_find(one, rs->number);
    if (!result)
        return results_full(one) && rs->lowest <= one->lowest ? SESSION_FULL : SESSION_NEW;
    *ret_answer = (struct session_answer){.status = (enum grid_err)result->status,
                                          .result = result_number(result),
                                          .version = result->version,
                                          .answer = result_answer(result)};
    return SESSION_REPEATED;
}

bool sessions_known(const struct sessions *s, const struct session_id *id)
{
    return find(s, id) != NULL;
}

bool sessions_overtaken(const struct sessions *s, const struct record_session *rs, uint64_t later)
{
    const struct results *one = find(s, &rs->id);
    return one && results_overtaken(one, rs->number, later);
}

static struct results *session_new(const struct session_id *id)
{
    struct results *one = xalloc(sizeof *one);
    results_init(one, id);
    return one;
}

void sessions_apply(struct sessions *s, const struct session_change *change)
{
    struct results *one = find(s, &change->session.id);
    if (!one) {
        one = session_new(&change->session.id);
        map_insert(s, one);
    }
    s->bytes -= results_bytes(one);
    results_apply(one, change);
    s->bytes += results_bytes(one);
    if (one->last_used >= one->listed + LISTED_MS) {
        one->listed = one->last_used;
        list_remove(&one->link);
        list_push_back(&s->by_use, &one->link);
    }
}

static inline void results_prefetch(const struct results *one)
{
    uintptr_t at = (uintptr_t)one; /* NULL: harmless */
    prefetch((const void *)at);
    prefetch((const void *)(at + 64));
    prefetch((const void *)(at + sizeof *one - 1));
}

/* In a map that is half full it stands at its home, or next to it, mostly. */
void sessions_prefetch(const struct sessions *s, const struct session_id *id, int stage)
{
    if (stage == 0) {
        prefetch(s);
    } else if (s->cap && stage == 1) {
        prefetch(&s->map[id_home(s, id)]);
    } else if (s->cap) {
        size_t home = id_home(s, id);
        const struct results *next = s->map[(home + 1) & (s->cap - 1)];
        results_prefetch(s->map[home]);
        if (next)
            results_prefetch(next);
    }
}

void sessions_end(struct sessions *s, const struct session_id *id)
{
    struct results *one = find(s, id);
    if (!one)
        return;
    map_erase(s, map_find(s, id));
    list_remove(&one->link);
    s->bytes -= sizeof *one + HEAD_BYTES + results_bytes(one);
    results_release(one);
    free(one);
}

static const struct results *oldest(const struct sessions *s)
{
    return list_empty(&s->by_use) ? NULL : list_entry(s->by_use.next, struct results, link);
}

msec_t sessions_due_at(const struct sessions *s, msec_t ttl)
{
    const struct results *one = oldest(s);
    if (!one)
        return 0;
    msec_t at;
    return __builtin_add_overflow(one->last_used, ttl, &at) ? UINT64_MAX : at;
}

const struct session_id *sessions_due(const struct sessions *s, msec_t now, msec_t ttl)
{
    const struct results *one = oldest(s);
    return one && sessions_due_at(s, ttl) <= now ? &one->id : NULL;
}

/* --- the stored form -------------------------------------------------------------------------- */

/* Keep the list ordered: stored sessions come back in any order. With very many of them the place
 * is not looked for to the end: one may end later than it could, never earlier. */
static void by_use_insert(struct sessions *s, struct results *one)
{
    one->listed = one->last_used;
    list_remove(&one->link);
    struct list *at = s->by_use.prev;
    for (unsigned steps = 0; at != &s->by_use && steps < BY_USE_STEPS_MAX; steps++) {
        if (list_entry(at, struct results, link)->last_used <= one->last_used)
            break;
        at = at->prev;
    }
    list_push_front(at, &one->link);
}

enum grid_err sessions_restore(struct sessions *s, struct session_id id, struct slice stored)
{
    struct results *one = session_new(&id);
    enum grid_err err = results_decode(one, stored);
    if (err) {
        results_release(one);
        free(one);
        return err;
    }
    sessions_end(s, &id);
    map_insert(s, one);
    s->bytes += results_bytes(one);
    by_use_insert(s, one);
    return GRID_OK;
}

bool sessions_valid(struct slice stored)
{
    struct results one;
    results_init(&one, &(struct session_id){.bytes = {0}});
    bool valid = results_decode(&one, stored) == GRID_OK;
    results_release(&one);
    return valid;
}

bool sessions_store(const struct sessions *s, const struct session_id *id, struct buf *out)
{
    const struct results *one = find(s, id);
    if (!one)
        return false;
    results_encode(one, out);
    return true;
}

void sessions_merge(const struct sessions *s, const struct session_id *id, struct slice stored,
                    struct buf *out)
{
    struct results one;
    const struct results *mine = find(s, id);
    results_init(&one, id);
    enum grid_err err = results_decode(&one, stored);
    CHECK(!err);
    if (mine)
        results_merge(&one, mine);
    results_encode(&one, out);
    results_release(&one);
}

enum grid_err sessions_fold(struct slice stored, const struct session_change *changes, size_t len,
                            struct buf *out)
{
    struct results one;
    results_init(&one, &(struct session_id){.bytes = {0}});
    enum grid_err err = stored.len ? results_decode(&one, stored) : GRID_OK;
    if (!err) {
        for (size_t i = 0; i < len; i++)
            results_apply(&one, &changes[i]);
        results_encode(&one, out);
    }
    results_release(&one);
    return err;
}

size_t sessions_len(const struct sessions *s)
{
    return s->len;
}

void sessions_ids(const struct sessions *s, struct buf *out)
{
    list_for_each (it, &s->by_use)
        buf_add(out, list_entry(it, struct results, link)->id.bytes, SESSION_ID_BYTES);
}

size_t sessions_bytes(const struct sessions *s)
{
    return s->bytes;
}

void sessions_check(const struct sessions *s)
{
    size_t len = 0, bytes = sizeof *s + HEAD_BYTES;
    bytes += s->cap ? s->cap * sizeof(struct results *) + HEAD_BYTES : 0;
    list_for_each (it, &s->by_use) {
        const struct results *one = list_entry(it, const struct results, link);
        results_check(one);
        CHECK(find(s, &one->id) == one);
        bytes += sizeof *one + HEAD_BYTES + results_bytes(one);
        len++;
    }
    CHECK(len == s->len && bytes == s->bytes);
    CHECK(s->len == 0 || s->len < s->cap);
}
