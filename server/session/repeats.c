/* repeats.c - by age in a list, by session in buckets. Sessions are random, so their first bytes
 * are as good as a hash; who chooses his own makes but his own chain long. */
#include "session/repeats.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/list.h"

#include <stdlib.h>

enum { BUCKETS = 4096 };

struct repeat_row {
    struct list age; /* repeats.rows, oldest first */
    struct list chain;
    struct repeat_id id;
    msec_t at;
    enum grid_err err;
    uint8_t *answer; /* NULL: none, or forgotten */
    size_t len;
    bool forgotten;
};

struct repeats {
    struct list rows, buckets[BUCKETS];
    size_t len, bytes;
    struct list *unread; /* of `rows`: those before it have no answers any more */
};

struct repeats *repeats_new(void)
{
    struct repeats *r = xcalloc(1, sizeof *r);
    list_init(&r->rows);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&r->buckets[i]);
    r->unread = &r->rows;
    return r;
}

static struct list *bucket(struct repeats *r, const struct session_id *id)
{
    return &r->buckets[load_u64(id->bytes) % BUCKETS];
}

static void answer_forget(struct repeats *r, struct repeat_row *row)
{
    r->bytes -= row->len;
    row->forgotten |= row->answer != NULL;
    free(row->answer);
    row->answer = NULL;
    row->len = 0;
}

static void row_free(struct repeats *r, struct repeat_row *row)
{
    if (r->unread == &row->age)
        r->unread = row->age.next;
    answer_forget(r, row);
    list_remove(&row->age);
    list_remove(&row->chain);
    r->len--;
    free(row);
}

static void expire(struct repeats *r, msec_t now)
{
    list_for_each_safe (it, &r->rows) {
        struct repeat_row *row = list_entry(it, struct repeat_row, age);
        if (now < row->at + REPEATS_MS && r->len < REPEATS_MAX)
            return;
        row_free(r, row);
    }
}

enum repeat repeats_find(struct repeats *r, const struct repeat_id *id, msec_t now,
                         enum grid_err *ret_err, struct slice *ret_answer)
{
    enum repeat is = REPEAT_NEW;
    expire(r, now);
    list_for_each (it, bucket(r, &id->session)) {
        const struct repeat_row *row = list_entry(it, struct repeat_row, chain);
        if (memcmp(&row->id.session, &id->session, sizeof id->session) != 0)
            continue;
        if (row->id.number == id->number) {
            *ret_err = row->forgotten ? GRID_EIN_DOUBT : row->err;
            *ret_answer = slice_make(row->answer, row->len);
            return REPEAT_SAME;
        }
        if (id->sole)
            is = REPEAT_OTHER;
    }
    return is;
}

void repeats_add(struct repeats *r, const struct repeat_id *id, msec_t now, enum grid_err err,
                 struct slice answer)
{
    struct repeat_row *row = xcalloc(1, sizeof *row);
    *row = (struct repeat_row){.id = *id, .at = now, .err = err, .len = answer.len};
    if (answer.len) {
        row->answer = xalloc(answer.len);
        memcpy(row->answer, answer.data, answer.len);
    }
    list_push_back(&r->rows, &row->age);
    list_push_back(bucket(r, &id->session), &row->chain);
    r->len++;
    r->bytes += answer.len;
    if (r->unread == &r->rows)
        r->unread = &row->age;
    while (r->bytes > REPEATS_BYTES_MAX) {
        answer_forget(r, list_entry(r->unread, struct repeat_row, age));
        r->unread = r->unread->next;
    }
}

size_t repeats_len(const struct repeats *r)
{
    return r->len;
}

void repeats_free(struct repeats *r)
{
    if (!r)
        return;
    list_for_each_safe (it, &r->rows)
        row_free(r, list_entry(it, struct repeat_row, age));
    free(r);
}

void repeats_check(const struct repeats *r)
{
    size_t len = 0, bytes = 0, chained = 0;
    bool read = false;
    msec_t last = 0;
    list_for_each (it, &r->rows) {
        const struct repeat_row *row = list_entry(it, struct repeat_row, age);
        read |= r->unread == it;
        CHECK(read || !row->answer);
        CHECK(row->at >= last && !row->len == !row->answer);
        last = row->at;
        len++;
        bytes += row->len;
    }
    for (size_t i = 0; i < BUCKETS; i++)
        list_for_each (it, &r->buckets[i])
            chained++;
    CHECK(len == r->len && chained == len && bytes == r->bytes);
    CHECK(len <= REPEATS_MAX && bytes <= REPEATS_BYTES_MAX);
}
