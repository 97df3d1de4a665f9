/* results.c - the state of one session as a function of its records: a sorted run of results,
 * appended at the end and dropped at the front. */
#include "data/results_priv.h"

#include "base/alloc.h"
#include "data/codec_priv.h"

#include <stdlib.h>

enum { STORED_FORM = 1, STORED_ANSWERS = 2 };
enum { RESULT_BYTES_MIN = 4, RESULTS_CAP_MIN = 4, MALLOC_HEAD = 8, MALLOC_STEP = 16 };
enum { LATER_MAX = 4096 }; /* results that are looked at for one request */

void results_init(struct results *s, const struct session_id *id)
{
    *s = (struct results){.id = *id, .cap = 1};
    s->results = &s->one;
    list_init(&s->link);
}

static uint32_t answer_bytes(size_t len)
{
    if (len <= ANSWER_NEAR)
        return (uint32_t)len;
    return (uint32_t)(len + MALLOC_HEAD + MALLOC_STEP - 1) / MALLOC_STEP * MALLOC_STEP;
}

static void answer_free(struct results *s, const struct session_result *r)
{
    if (likely(!r->answer_len))
        return;
    s->answers -= answer_bytes(r->answer_len);
    if (r->answer_len > ANSWER_NEAR)
        free(r->far);
}

static struct session_result *result_at(const struct results *s, uint32_t i)
{
    return &s->results[s->first + i];
}

void results_release(struct results *s)
{
    for (uint32_t i = 0; i < s->len && s->answers; i++)
        answer_free(s, result_at(s, i));
    if (s->results != &s->one)
        free(s->results);
    s->results = &s->one;
    s->cap = 1;
    s->first = s->len = 0;
}

size_t results_bytes(const struct results *s)
{
    return s->answers + (s->cap > 1 ? s->cap * sizeof *s->results + MALLOC_HEAD : 0);
}

bool results_full(const struct results *s)
{
    return s->len >= SESSION_RESULTS_MAX ||
           s->answers + answer_bytes(SESSION_ANSWER_MAX) > SESSION_ANSWERS_MAX;
}

/* --- the run of results ----------------------------------------------------------------------- */

static void results_resize(struct results *s, uint32_t cap)
{
    struct session_result *to = cap > 1 ? xrealloc(NULL, cap, sizeof *to) : &s->one;
    if (s->len)
        memmove(to, result_at(s, 0), s->len * sizeof *to);
    if (s->results != &s->one)
        free(s->results);
    s->results = to;
    s->first = 0;
    s->cap = cap;
}

/* Place for one more at the end. */
static void results_make_room(struct results *s)
{
    if (s->first + s->len < s->cap)
        return;
    if (s->first > s->cap / 2) {
        memmove(s->results, result_at(s, 0), s->len * sizeof *s->results);
        s->first = 0;
    } else {
        results_resize(s, s->cap < RESULTS_CAP_MIN ? (uint32_t)RESULTS_CAP_MIN : s->cap * 2);
    }
}

static void results_drop(struct results *s, uint32_t n)
{
    for (uint32_t i = 0; i < n && s->answers; i++)
        answer_free(s, result_at(s, i));
    s->first += n;
    s->len -= n;
    if (s->len == 0)
        s->first = 0;
    if (s->cap > RESULTS_CAP_MIN && s->len <= s->cap / 4)
        results_resize(s, s->cap / 2);
    else if (s->cap == RESULTS_CAP_MIN && s->len == 0)
        results_resize(s, 1);
}

/* How many results have a number < `number`. New numbers come at the end, so that end is looked at
 * first. */
static uint32_t results_before(const struct results *s, uint64_t number)
{
    if (s->len == 0 || result_at(s, s->len - 1)->number < number)
        return s->len;
    uint32_t low = 0, high = s->len - 1;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (result_at(s, mid)->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct session_result *results_find(const struct results *s, uint64_t number)
{
    uint32_t i = results_before(s, number);
    return i < s->len && result_at(s, i)->number == number ? result_at(s, i) : NULL;
}

bool results_overtaken(const struct results *s, uint64_t number, uint64_t later)
{
    uint32_t i = results_before(s, number), left = LATER_MAX;
    uint64_t version = UINT64_MAX; /* not done: after all that are */
    if (i < s->len && result_at(s, i)->number == number)
        version = result_at(s, i++)->version;
    for (; i < s->len && result_at(s, i)->number <= later; i++)
        if (result_at(s, i)->version < version || left-- == 0)
            return true;
    return false;
}

static void lowest_raise(struct results *s, uint64_t lowest)
{
    if (lowest <= s->lowest)
        return;
    s->lowest = lowest;
    uint32_t n = results_before(s, lowest);
    if (n)
        results_drop(s, n);
}

static void answer_put(struct results *s, struct session_result *r, struct slice answer)
{
    r->answer_len = (uint32_t)answer.len;
    if (likely(!answer.len))
        return;
    uint8_t *to = r->near;
    if (answer.len > ANSWER_NEAR)
        to = r->far = xalloc(answer.len);
    memcpy(to, answer.data, answer.len);
    s->answers += answer_bytes(answer.len);
}

/* The answer is copied; `result` has none. */
static void result_put(struct results *s, const struct session_result *result, struct slice answer)
{
    uint32_t i = results_before(s, result->number);
    if (i == s->len || result_at(s, i)->number != result->number) {
        results_make_room(s);
        memmove(result_at(s, i + 1), result_at(s, i), (s->len - i) * sizeof *result);
        s->len++;
    } else {
        answer_free(s, result_at(s, i));
    }
    *result_at(s, i) = *result;
    answer_put(s, result_at(s, i), answer);
}

static void results_trim(struct results *s)
{
    while (s->len > SESSION_RESULTS_MAX || s->answers > SESSION_ANSWERS_MAX)
        lowest_raise(s, result_at(s, 0)->number + 1);
}

void results_apply(struct results *s, const struct session_change *change)
{
    const struct record_session *rs = &change->session;
    if (change->time_ms > s->last_used)
        s->last_used = change->time_ms;
    lowest_raise(s, rs->lowest);
    if (rs->number < s->lowest)
        return;
    struct session_result result = {.number = rs->number,
                                    .version = change->version,
                                    .result = rs->result,
                                    .status = (uint8_t)rs->status};
    result_put(s, &result, rs->answer);
    results_trim(s);
}

void results_merge(struct results *s, const struct results *other)
{
    if (other->last_used > s->last_used)
        s->last_used = other->last_used;
    lowest_raise(s, other->lowest);
    for (uint32_t i = 0; i < other->len; i++)
        if (result_at(other, i)->number >= s->lowest)
            result_put(s, result_at(other, i), result_answer(result_at(other, i)));
    results_trim(s);
}

/* --- the stored form -------------------------------------------------------------------------- */

void results_encode(const struct results *s, struct buf *out)
{
    size_t max = 1 + 3 * VARINT_BYTES_MAX + (size_t)s->len * (4 * VARINT_BYTES_MAX + 1);
    uint8_t *start = buf_reserve(out, max + s->answers), *p = start;
    *p++ = s->answers ? STORED_ANSWERS : STORED_FORM;
    p = write_varint(p, s->lowest);
    p = write_varint(p, s->last_used);
    p = write_varint(p, s->len);
    uint64_t next = s->lowest;
    for (uint32_t i = 0; i < s->len; i++) {
        const struct session_result *r = result_at(s, i);
        p = write_varint(p, r->number - next);
        *p++ = r->status;
        p = write_varint(p, zigzag(result_number(r)));
        p = write_varint(p, r->version);
        if (s->answers)
            p = write_slice(p, result_answer(r));
        next = r->number + 1;
    }
    out->len += (size_t)(p - start);
}

/* Its place in what is read. */
static struct slice answer_read(struct reader *r, const struct session_result *result)
{
    struct slice answer = read_slice(r, 0, SESSION_ANSWER_MAX);
    if (answer.len && result->result)
        r->bad = true;
    return answer;
}

static void results_read(struct results *s, struct reader *r, uint32_t count, bool answers)
{
    uint64_t next = s->lowest;
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        struct session_result result = {.number = next + read_varint(r, UINT64_MAX - next)};
        result.status = read_u8(r);
        result.result = unzigzag(read_varint(r, UINT64_MAX));
        result.version = read_varint(r, UINT64_MAX);
        struct slice answer = answers ? answer_read(r, &result) : slice_make(NULL, 0);
        next = result.number + 1;
        if ((next == 0 && i + 1 < count) || s->answers > SESSION_ANSWERS_MAX)
            r->bad = true;
        if (!r->bad)
            result_put(s, &result, answer);
    }
}

enum grid_err results_decode(struct results *s, struct slice stored)
{
    struct reader r = {stored.data, stored.data + stored.len, stored.len == 0};
    uint8_t form = read_u8(&r);
    if (form != STORED_FORM && form != STORED_ANSWERS)
        return GRID_ECORRUPT;
    s->lowest = read_varint(&r, UINT64_MAX);
    s->last_used = read_varint(&r, UINT64_MAX);
    uint32_t count = (uint32_t)read_varint(&r, SESSION_RESULTS_MAX);
    if (r.bad || count > read_left(&r) / RESULT_BYTES_MIN)
        return GRID_ECORRUPT;
    results_read(s, &r, count, form == STORED_ANSWERS);
    bool answers = s->answers > 0;
    if (r.bad || read_left(&r) || answers != (form == STORED_ANSWERS))
        return GRID_ECORRUPT;
    return s->answers > SESSION_ANSWERS_MAX ? GRID_ECORRUPT : GRID_OK;
}

void results_check(const struct results *s)
{
    CHECK((s->cap == 1) == (s->results == &s->one));
    CHECK(s->first + s->len <= s->cap && s->len <= SESSION_RESULTS_MAX);
    uint32_t answers = 0;
    for (uint32_t i = 0; i < s->len; i++) {
        CHECK(result_at(s, i)->number >= (i ? result_at(s, i - 1)->number + 1 : s->lowest));
        answers += answer_bytes(result_at(s, i)->answer_len);
    }
    CHECK(answers == s->answers && answers <= SESSION_ANSWERS_MAX);
}
