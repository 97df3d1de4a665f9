/* test_history.c - histories known to be good and bad; and thousands of tiny ones, on which all
 * orders are tried by another hand.
 * LINK: history base */
#include "base/alloc.h"
#include "base/prng.h"
#include "tests/lib/history_priv.h"

#include <check.h>
#include <stdlib.h>

#include <time.h>

static const struct history_limits limits = {64 << 20, 50 * 1000 * 1000};

static enum history_verdict judge_text(const char *text, struct buf *words)
{
    struct history *h = history_new();
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    ck_assert_ptr_nonnull(file);
    enum grid_err err = history_read(h, file, words);
    fclose(file);
    ck_assert_msg(err == GRID_OK, "%.*s", (int)words->len, (const char *)words->data);
    history_check(h);
    enum history_verdict verdict = history_judge(h, &limits, words);
    buf_add_u8(words, '\0');
    history_check(h);
    history_free(h);
    return verdict;
}

/* --- told by hand ----------------------------------------------------------------------------- */

struct known {
    const char *name, *text;
    const char *words; /* NULL: good; else bad, and says so */
};

static const struct known knowns[] = {
    {"nothing at all", "\n# only a comment\n", NULL},
    {"one after the other",
     "1 k 0 1 ok put 5 - 1\n"
     "2 k 2 3 ok read - 5 1\n"
     "1 k 4 5 ok version 6@1 - 2\n"
     "2 k 6 7 no version 7@1 - 2\n"
     "2 k 8 9 no absent 7 - 2\n"
     "1 k 10 11 ok delete - - 3\n"
     "2 k 12 13 no read - - 0\n"
     "2 k 12 13 no delete - - 0\n"
     "2 k 12 13 no version 8@2 - 0\n"
     "1 k 14 15 ok absent 8 - 4\n"
     "1 k 16 17 ok incr 2 10 5\n",
     NULL},
    {"reads during a write see before or after, each for itself",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 9 ok put 6 - 2\n"
     "2 k 3 4 ok read - 5 1\n"
     "3 k 5 6 ok read - 6 2\n"
     "2 k 7 8 ok read - 6 2\n",
     NULL},
    {"two reads going back in time",
     "1 k 0 1 ok put 5 - -\n"
     "1 k 2 9 ok put 6 - -\n"
     "2 k 3 4 ok read - 6 -\n"
     "3 k 5 6 ok read - 5 -\n",
     "no order"},
    {"two reads going back in time, by their versions",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 9 ok put 6 - 2\n"
     "2 k 3 4 ok read - 6 2\n"
     "3 k 5 6 ok read - 5 1\n",
     "time goes back"},
    {"a stale read",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 3 ok put 6 - 2\n"
     "2 k 4 5 ok read - 5 1\n",
     "stale"},
    {"a stale read of a key that is there",
     "1 k 0 1 ok put 5 - -\n"
     "2 k 2 3 no read - - 0\n",
     "no order"},
    {"a read at the same time is not stale",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 3 ok put 6 - 2\n"
     "2 k 3 5 ok read - 5 1\n",
     NULL},
    {"a value that nobody wrote",
     "1 k 0 1 ok put 5 - 1\n"
     "2 k 2 3 ok read - 7 2\n",
     "nobody had written"},
    {"a value that is garbled",
     "1 k 0 1 ok put 5 - 1\n"
     "2 k 2 3 ok read - garbled 1\n",
     "another value"},
    {"a value before it is written",
     "2 k 0 1 ok read - 5 1\n"
     "1 k 2 3 ok put 5 - 1\n",
     "not yet asked for"},
    {"in doubt, and done long after",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 - doubt put 6 - -\n"
     "2 k 3 4 ok read - 5 1\n"
     "2 k 100 101 ok read - 6 9\n",
     NULL},
    {"in doubt, and never done",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 - doubt put 6 - -\n"
     "2 k 100 101 ok read - 5 1\n",
     NULL},
    {"in doubt, done, and undone again",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 - doubt put 6 - -\n"
     "2 k 3 4 ok read - 6 2\n"
     "2 k 5 6 ok read - 5 1\n",
     "time goes back"},
    {"in doubt, seen before it was asked for",
     "2 k 0 1 ok read - 6 2\n"
     "1 k 2 - doubt put 6 - -\n",
     "nobody had written"},
    {"in doubt, done twice",
     "1 k 0 - doubt put 6 - -\n"
     "2 k 1 2 ok read - 6 1\n"
     "3 k 3 4 ok put 7 - 2\n"
     "2 k 5 6 ok read - 6 3\n",
     "no order"},
    {"a delete in doubt explains that there is nothing",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 - doubt delete - - -\n"
     "2 k 3 4 no read - - 0\n",
     NULL},
    {"a delete in doubt does not explain an older value",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 3 ok put 6 - 2\n"
     "1 k 4 - doubt delete - - -\n"
     "2 k 5 6 no read - - 0\n"
     "2 k 7 8 ok read - 6 2\n",
     "no order"},
    {"what failed was not done",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 3 failed put 6 - -\n"
     "2 k 4 5 ok read - 6 2\n",
     "nobody had written"},
    {"an acknowledged write is gone at the end",
     "1 k 0 1 ok put 5 - 1\n"
     "2 k 90 91 no read - - 0\n",
     "is gone"},
    {"an acknowledged write is gone, its predecessor back",
     "1 k 0 1 ok put 5 - -\n"
     "1 k 2 3 ok put 6 - -\n"
     "2 k 90 91 ok read - 5 -\n",
     "no order"},
    {"a lost update: two put if the same version",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 9 ok version 6@1 - 2\n"
     "2 k 2 9 ok version 7@1 - 3\n",
     "no order"},
    {"two put if absent",
     "1 k 0 9 ok absent 6 - 1\n"
     "2 k 0 9 ok absent 7 - 2\n",
     "no order"},
    {"refused though there was nothing", "1 k 0 1 no absent 6 - 4\n", "no order"},
    {"refused though it had that version",
     "1 k 0 1 ok put 6 - 4\n"
     "1 k 2 3 no version 7@4 - 4\n",
     "no order"},
    {"an increment done twice",
     "1 c 0 1 ok incr 1 1 1\n"
     "1 c 2 3 ok incr 1 3 3\n",
     "too large"},
    {"an increment lost",
     "1 c 0 1 ok incr 1 1 1\n"
     "2 c 2 3 ok incr 1 1 2\n",
     "too small"},
    {"two increments with one result",
     "1 c 0 9 ok incr 1 1 1\n"
     "2 c 0 9 ok incr 1 1 2\n"
     "3 c 0 9 ok incr 1 3 3\n",
     "no order"},
    {"increments in doubt may count, each once",
     "1 c 0 - doubt incr 1 - -\n"
     "2 c 0 - doubt incr 1 - -\n"
     "3 c 1 2 ok incr 1 2 5\n"
     "3 c 3 4 ok read - 3 9\n",
     NULL},
    {"increments in doubt count at most once",
     "1 c 0 - doubt incr 1 - -\n"
     "3 c 1 2 ok incr 1 2 5\n"
     "3 c 3 4 ok read - 3 9\n",
     "too large"},
    {"versions that run backwards",
     "1 k 0 1 ok put 5 - 2\n"
     "1 k 2 3 ok put 6 - 1\n",
     "not above"},
    {"one version twice",
     "1 k 0 9 ok put 5 - 2\n"
     "2 k 0 9 ok put 6 - 2\n",
     "twice"},
    {"the version of another write",
     "1 k 0 1 ok put 5 - 1\n"
     "1 k 2 3 ok put 6 - 2\n"
     "2 k 4 5 ok read - 5 2\n",
     "another value"},
    {"keys do not matter to each other",
     "1 a 0 1 ok put 5 - 2\n"
     "1 b 2 3 ok put 6 - 1\n"
     "1 b 4 5 ok read - 6 1\n",
     NULL},
    {"one bad key among others",
     "1 a 0 1 ok put 5 - 1\n"
     "1 b 0 1 ok put 5 - 1\n"
     "2 b 2 3 no read - - 0\n"
     "2 a 2 3 ok read - 5 1\n",
     "key b:"},
};

START_TEST(known_histories_are_judged_as_they_are_known)
{
    const struct known *k = &knowns[_i];
    struct buf words = BUF_INIT;
    enum history_verdict verdict = judge_text(k->text, &words);
    const char *said = (const char *)words.data;
    ck_assert_msg(verdict == (k->words ? HISTORY_BAD : HISTORY_GOOD), "%s: %s", k->name, said);
    ck_assert_msg(!k->words || strstr(said, k->words), "%s: %s", k->name, said);
    buf_release(&words);
}
END_TEST

START_TEST(lines_that_are_none_are_refused_by_number)
{
    static const char *const wrong[] = {
        "1 k 0 1 ok put 5 -",
        "1 k 0 1 ok put 5 - 1 1",
        "x k 0 1 ok put 5 - 1",
        "-1 k 0 1 ok put 5 - 1",
        "1 k 2 1 ok put 5 - 1",
        "1 k 0 - ok put 5 - 1",
        "1 k 0 1 yes put 5 - 1",
        "1 k 0 1 no put 5 - 1",
        "1 k 0 1 ok putt 5 - 1",
        "1 k 0 1 ok put x - 1",
        "1 k 0 1 ok put 5 5 1",
        "1 k 0 1 ok read - - 1",
        "1 k 0 1 ok read 1 5 1",
        "1 k 0 1 ok put 5 - 0",
        "1 k 0 1 ok put 5 - -1",
        "1 k 0 1 ok version 5 - 1",
        "1 k 0 1 ok version 5@ - 1",
        "1 k 0 1 ok version 5@0 - 1",
        "1 k 0 99999999999999999999 ok put 5 - 1",
        "1 k 0 1 ok put 5 - 18446744073709551615",
        "1 k 0 1 no absent 5 - 0",
        "1 k 0 1 no incr 1 - 0",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct buf text = BUF_INIT, why = BUF_INIT;
        buf_printf(&text, "1 k 0 1 ok put 4 - 1\n%s\n", wrong[i]);
        FILE *file = fmemopen(text.data, text.len, "r");
        struct history *h = history_new();
        ck_assert_msg(history_read(h, file, &why) == GRID_EBAD_REQUEST, "%s", wrong[i]);
        ck_assert_msg(memcmp(why.data, "line 2: ", 8) == 0, "%s", wrong[i]);
        fclose(file);
        history_free(h);
        buf_release(&text);
        buf_release(&why);
    }
}
END_TEST

START_TEST(a_line_that_is_read_is_written_as_it_was)
{
    for (size_t i = 0; i < sizeof knowns / sizeof *knowns; i++) {
        for (const char *line = knowns[i].text; *line; line += strcspn(line, "\n") + 1) {
            char before[128], pieces[128];
            struct history_op op;
            const char *key;
            struct buf after = BUF_INIT;
            snprintf(before, sizeof before, "%.*s", (int)strcspn(line, "\n"), line);
            if (*before == '\0' || *before == '#')
                continue;
            memcpy(pieces, before, sizeof pieces);
            ck_assert_ptr_null(history_op_parse(pieces, &key, &op));
            history_op_line(&op, key, &after);
            after.data[after.len - 1] = '\0';
            ck_assert_str_eq((const char *)after.data, before);
            buf_release(&after);
        }
    }
}
END_TEST

START_TEST(an_explanation_leaves_out_what_is_not_needed)
{
    struct buf text = BUF_INIT, words = BUF_INIT;
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "1 k %d %d ok put %d - -\n2 k %d %d ok read - %d -\n", i * 10, i * 10 + 1,
                   i, i * 10 + 2, i * 10 + 3, i);
    buf_add_text(&text, "3 k 180001 180009 ok read - 150 -\n");
    buf_add_u8(&text, '\0');
    ck_assert_int_eq(judge_text((const char *)text.data, &words), HISTORY_BAD);
    const char *said = (const char *)words.data;
    size_t lines = 0;
    for (const char *c = said; *c; c++)
        lines += *c == '\n';
    ck_assert_msg(lines <= 7, "%s", said);
    ck_assert_msg(strstr(said, "from 180001 to 180009 client 3: read: 150"), "%s", said);
    ck_assert_msg(strstr(said, "put 150: done"), "%s", said);
    buf_release(&text);
    buf_release(&words);
}
END_TEST

static struct config *config_of(const struct config_shape *shape, uint32_t used, uint32_t also,
                                int64_t value)
{
    struct config *c = xcalloc(1, shape->bytes);
    c->state.value = value;
    config_used(shape, c)[0] = used;
    config_used(shape, c)[2] = also;
    return c;
}

START_TEST(of_configurations_alike_those_that_need_least_are_kept)
{
    static const struct {
        uint32_t used, also;
        int64_t value;
        bool replace;
        size_t len; /* afterwards */
    } steps[] = {
        {2, 2, 7, false, 1}, {2, 2, 7, false, 1}, {2, 3, 7, false, 1}, {3, 1, 7, false, 2},
        {2, 2, 8, false, 3}, {1, 2, 7, false, 4}, {9, 9, 7, true, 4},  {0, 0, 8, true, 4},
        {1, 1, 8, true, 4},  {0, 0, 9, true, 5},
    };
    struct config_shape shape;
    struct configs set = {0};
    config_shape_init(&shape, 70, 3);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct config *c = config_of(&shape, steps[i].used, steps[i].also, steps[i].value);
        (void)configs_add(&shape, &set, c, steps[i].replace);
        ck_assert_uint_eq(set.len, steps[i].len);
        free(c);
    }
    configs_clear(&set);
    ck_assert_uint_eq(set.len, 0);
    for (int64_t i = 0; i < 1000; i++) {
        struct config *c = config_of(&shape, 0, 0, i);
        (void)configs_add(&shape, &set, c, false);
        (void)configs_add(&shape, &set, c, false);
        ck_assert_uint_eq(set.len, (size_t)i + 1);
        ck_assert_int_eq(configs_at(&shape, &set, (size_t)i)->state.value, i);
        free(c);
    }
    configs_release(&set);
}
END_TEST

/* --- another hand: all orders of a tiny history ----------------------------------------------- */

enum { TINY = 7 };

struct orders {
    const struct history_op *ops;
    size_t n;
    uint64_t versions[TINY + 1]; /* of the writes in this order, from 1; 0: any */
};

struct place {       /* after some of the operations */
    unsigned placed; /* a bit each */
    unsigned writes;
    bool there;
    int64_t value;
};

static bool versions_can_grow(const struct orders *o, unsigned writes)
{
    uint64_t least = 0;
    for (unsigned i = 1; i <= writes; i++) {
        if (o->versions[i] && o->versions[i] <= least)
            return false;
        least = o->versions[i] ? o->versions[i] : least + 1;
    }
    return true;
}

static bool is_version(struct orders *o, unsigned write, uint64_t version)
{
    if (version == HISTORY_UNTOLD)
        return true;
    if (o->versions[write] && o->versions[write] != version)
        return false;
    o->versions[write] = version;
    return true;
}

/* What a register of one key says to `op`; changes p and the versions. */
static bool register_says(struct orders *o, struct place *p, const struct history_op *op)
{
    bool done = op->outcome != HISTORY_NO;
    switch (op->kind) {
    case HISTORY_READ:
        if (!done)
            return !p->there;
        return p->there && p->value == op->value && is_version(o, p->writes, op->version);
    case HISTORY_DELETE:
        if (!done || !p->there)
            return !done && !p->there;
        p->there = false;
        break;
    case HISTORY_PUT_IF_ABSENT:
        if (!done)
            return p->there && is_version(o, p->writes, op->version);
        if (p->there)
            return false;
        break;
    case HISTORY_PUT_IF_VERSION:
        if (!done && op->version == HISTORY_NOTHING)
            return !p->there;
        if (!done)
            return p->there && op->version != op->expected && is_version(o, p->writes, op->version);
        if (!p->there || !is_version(o, p->writes, op->expected))
            return false;
        break;
    case HISTORY_INCR:
        p->value = (p->there ? p->value : 0) + op->by;
        p->there = true;
        if (op->outcome == HISTORY_OK && p->value != op->value)
            return false;
        break;
    case HISTORY_PUT:
        break;
    }
    if (op->kind != HISTORY_DELETE && op->kind != HISTORY_INCR) {
        p->there = true;
        p->value = op->value;
    }
    p->writes++;
    o->versions[p->writes] = op->outcome == HISTORY_OK ? op->version : 0;
    return true;
}

static bool must_wait(const struct orders *o, unsigned placed, size_t at)
{
    for (size_t i = 0; i < o->n; i++)
        if (!(placed >> i & 1) && o->ops[i].outcome != HISTORY_IN_DOUBT &&
            o->ops[i].returned < o->ops[at].invoked)
            return true;
    return false;
}

static bool some_order(struct orders *o, struct place p)
{
    bool all = true;
    for (size_t i = 0; i < o->n; i++)
        all &= (p.placed >> i & 1) || o->ops[i].outcome == HISTORY_IN_DOUBT;
    if (all && versions_can_grow(o, p.writes))
        return true;
    for (size_t i = 0; i < o->n; i++) {
        if ((p.placed >> i & 1) || must_wait(o, p.placed, i))
            continue;
        struct orders before = *o;
        struct place next = p;
        next.placed |= 1u << i;
        if (register_says(o, &next, &o->ops[i]) && some_order(o, next))
            return true;
        *o = before;
    }
    return false;
}

/* --- tiny histories at random ----------------------------------------------------------------- */

struct tiny {
    struct history_op ops[TINY];
    int64_t happens[TINY]; /* -1: never */
    size_t n;
    bool told, values_repeat, versions_jump;
};

/* Let them happen in their order, on a register that works. */
static void tiny_happen(struct tiny *t, struct prng *r)
{
    bool there = false;
    int64_t value = 0;
    uint64_t version = 0, next = 1;
    for (int64_t now = 0; now < 100; now++)
        for (size_t i = 0; i < t->n; i++) {
            struct history_op *op = &t->ops[i];
            if (t->happens[i] != now)
                continue;
            next += t->versions_jump ? 1 + prng_below(r, 3) : 1;
            bool in_doubt = op->outcome == HISTORY_IN_DOUBT;
            bool refused =
                (op->kind == HISTORY_READ && !there) || (op->kind == HISTORY_DELETE && !there) ||
                (op->kind == HISTORY_PUT_IF_ABSENT && there) ||
                (op->kind == HISTORY_PUT_IF_VERSION && (!there || op->expected != version));
            if (refused || op->kind == HISTORY_READ) {
                op->version = there ? version : HISTORY_NOTHING;
                op->value = op->kind == HISTORY_READ ? value : op->value;
                op->outcome = in_doubt ? HISTORY_IN_DOUBT : refused ? HISTORY_NO : HISTORY_OK;
                continue;
            }
            value = op->kind == HISTORY_DELETE ? 0
                    : op->kind == HISTORY_INCR ? value + op->by
                                               : op->value;
            there = op->kind != HISTORY_DELETE;
            op->version = version = next;
            if (op->kind == HISTORY_INCR && !in_doubt)
                op->value = value;
        }
}

static void tiny_untell(struct tiny *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct history_op *op = &t->ops[i];
        if (op->outcome == HISTORY_IN_DOUBT || (!t->told && op->version != HISTORY_NOTHING))
            op->version = HISTORY_UNTOLD;
    }
}

static void tiny_make(struct tiny *t, struct prng *r)
{
    static const enum history_kind kinds[] = {
        HISTORY_READ, HISTORY_READ,           HISTORY_PUT,  HISTORY_PUT_IF_ABSENT,
        HISTORY_PUT,  HISTORY_PUT_IF_VERSION, HISTORY_INCR, HISTORY_DELETE};
    unsigned mix = (unsigned)prng_below(r, 4); /* counters, registers, without delete, all */
    *t = (struct tiny){.n = 2 + prng_below(r, TINY - 1),
                       .told = prng_below(r, 3),
                       .values_repeat = prng_below(r, 3) == 0,
                       .versions_jump = prng_below(r, 2)};
    uint64_t doubt = 2 + prng_below(r, 5);
    int64_t span = 4 + (int64_t)prng_below(r, 12);
    for (size_t i = 0; i < t->n; i++) {
        struct history_op *op = &t->ops[i];
        op->client = (uint32_t)i;
        op->kind = mix == 0 ? prng_below(r, 3) ? HISTORY_INCR : HISTORY_READ
                            : kinds[prng_below(r, mix == 1   ? 3
                                                  : mix == 2 ? 7
                                                             : 8)];
        if (!t->told && op->kind == HISTORY_PUT_IF_VERSION)
            op->kind = HISTORY_PUT;
        op->value = t->values_repeat ? (int64_t)prng_below(r, 3) : 10 * (int64_t)(i + 1);
        op->by = op->kind == HISTORY_INCR ? 1 + (int64_t)prng_below(r, 2) : 0;
        op->expected = op->kind == HISTORY_PUT_IF_VERSION ? 1 + prng_below(r, 4) : 0;
        op->invoked = (int64_t)prng_below(r, (uint64_t)span);
        t->happens[i] = op->invoked + (int64_t)prng_below(r, 4);
        op->returned = t->happens[i] + (int64_t)prng_below(r, 4);
        if (prng_below(r, 10) < doubt) {
            op->outcome = HISTORY_IN_DOUBT;
            t->happens[i] = prng_below(r, 2) ? -1 : op->invoked + (int64_t)prng_below(r, 20);
        }
    }
    tiny_happen(t, r);
    tiny_untell(t);
}

/* One lie. */
static void tiny_spoil(struct tiny *t, struct prng *r)
{
    struct history_op *op = &t->ops[prng_below(r, t->n)];
    const struct history_op *other = &t->ops[prng_below(r, t->n)];
    switch (prng_below(r, 5)) {
    case 0:
        op->value = other->value;
        break;
    case 1:
        op->value += prng_below(r, 2) ? 1 : -1;
        break;
    case 2:
        if (t->told && op_is_firm(op) && op->version != HISTORY_NOTHING &&
            other->version != HISTORY_NOTHING && other->version)
            op->version = other->version;
        break;
    case 3:
        op->invoked += (int64_t)prng_below(r, 8);
        op->returned = op->returned < op->invoked ? op->invoked : op->returned;
        break;
    case 4:
        if (op->kind == HISTORY_READ && op->outcome != HISTORY_IN_DOUBT) {
            op->outcome = op->outcome == HISTORY_OK ? HISTORY_NO : HISTORY_OK;
            op->version = op->outcome == HISTORY_OK ? HISTORY_UNTOLD : HISTORY_NOTHING;
        }
        break;
    }
}

static enum history_verdict tiny_judge(const struct tiny *t, struct buf *words)
{
    struct history *h = history_new();
    for (size_t i = 0; i < t->n; i++)
        history_add(h, "k", &t->ops[i]);
    enum history_verdict verdict = history_judge(h, &limits, words);
    history_free(h);
    return verdict;
}

static int op_cmp(const void *a, const void *b)
{
    const struct history_op *x = a, *y = b;
    return (x->invoked > y->invoked) - (x->invoked < y->invoked);
}

/* The search alone, as if nothing could be seen at a glance. */
static enum history_verdict tiny_search(const struct tiny *t)
{
    struct history_op ops[TINY];
    size_t n = 0, at;
    uint64_t steps = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!op_is_void(&t->ops[i]))
            ops[n++] = t->ops[i];
    qsort(ops, n, sizeof *ops, op_cmp);
    return history_search(ops, n, &limits, &at, &steps);
}

static void tiny_tell(const struct tiny *t, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++)
        history_op_line(&t->ops[i], "k", out);
    buf_add_u8(out, '\0');
}

START_TEST(tiny_histories_are_judged_as_all_orders_say)
{
    enum { HISTORIES = 100000 };
    unsigned good = 0, bad = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct prng r = {seed};
        struct tiny t;
        struct buf words = BUF_INIT, told = BUF_INIT;
        tiny_make(&t, &r);
        if (seed % 4)
            tiny_spoil(&t, &r);
        struct orders o = {.ops = t.ops, .n = t.n};
        bool explained = some_order(&o, (struct place){0});
        enum history_verdict expected = explained ? HISTORY_GOOD : HISTORY_BAD;
        tiny_tell(&t, &told);
        ck_assert_msg(seed % 4 || explained, "seed %llu: a register that works:\n%s",
                      (unsigned long long)seed, (const char *)told.data);
        enum history_verdict judged = tiny_judge(&t, &words), searched = tiny_search(&t);
        buf_add_u8(&words, '\0');
        ck_assert_msg(judged == expected && searched == expected,
                      "seed %llu: expected %d, judged %d, searched %d:\n%s%s",
                      (unsigned long long)seed, expected, judged, searched, (const char *)told.data,
                      (const char *)words.data);
        good += seed % 4 && explained;
        bad += !explained;
        buf_release(&words);
        buf_release(&told);
    }
    ck_assert_uint_gt(good, 5000);
    ck_assert_uint_gt(bad, 5000);
}
END_TEST

/* --- large and hard --------------------------------------------------------------------------- */

enum { CLIENTS = 20, LARGE = 100000, LARGE_KEYS = 1000 };

/* Clients that never rest, on a grid that works but leaves some in doubt. */
static struct history *large_make(unsigned keys, unsigned doubt_percent, struct prng *r)
{
    struct history *h = history_new();
    struct {
        bool there;
        int64_t value;
        uint64_t version;
    } *state = xcalloc(keys, sizeof *state);
    int64_t free_at[CLIENTS] = {0};
    for (int64_t i = 0; i < LARGE; i++) {
        uint32_t client = (uint32_t)(i % CLIENTS);
        unsigned k = (unsigned)prng_below(r, keys);
        int64_t now = i * 10;
        struct history_op op = {.client = client,
                                .kind = (enum history_kind)(k % 4              ? prng_below(r, 3)
                                                            : prng_below(r, 2) ? HISTORY_INCR
                                                                               : HISTORY_READ),
                                .value = i + 1,
                                .by = 1};
        op.invoked = now - (int64_t)prng_below(r, 150);
        op.invoked = op.invoked < free_at[client] ? free_at[client] : op.invoked;
        op.returned = free_at[client] = now + (int64_t)prng_below(r, 40);
        bool doubt = op.kind != HISTORY_READ && prng_below(r, 100) < doubt_percent;
        bool happens = !doubt || prng_below(r, 2);
        op.outcome = doubt ? HISTORY_IN_DOUBT : HISTORY_OK;
        if (happens && !state[k].there && op.kind != HISTORY_PUT && op.kind != HISTORY_INCR) {
            op.outcome = doubt ? HISTORY_IN_DOUBT : HISTORY_NO;
            op.version = HISTORY_NOTHING;
        } else if (op.kind == HISTORY_READ) {
            op.value = state[k].value;
            op.version = state[k].version;
        } else if (happens) {
            state[k].there = op.kind != HISTORY_DELETE;
            state[k].value = op.kind == HISTORY_DELETE ? 0
                             : op.kind == HISTORY_INCR ? state[k].value + 1
                                                       : op.value;
            op.version = state[k].version = (uint64_t)i + 1;
            op.value = op.kind == HISTORY_INCR ? state[k].value : op.value;
        }
        char key[16];
        snprintf(key, sizeof key, "key%u", k);
        history_add(h, key, &op);
    }
    free(state);
    return h;
}

START_TEST(a_hundred_thousand_operations_take_seconds)
{
    static const struct {
        unsigned keys, doubt_percent;
    } cases[] = {{LARGE_KEYS, 5}, {LARGE_KEYS, 0}, {40, 1}, {1, 0}};
    struct prng r = {7};
    struct buf words = BUF_INIT;
    struct history *h = large_make(cases[_i].keys, cases[_i].doubt_percent, &r);
    clock_t begun = clock();
    enum history_verdict verdict = history_judge(h, NULL, &words);
    buf_add_u8(&words, '\0');
    ck_assert_msg(verdict == HISTORY_GOOD, "%s", (const char *)words.data);
    ck_assert_int_lt((clock() - begun) / CLOCKS_PER_SEC, 30);
    history_check(h);
    history_free(h);
    buf_release(&words);
}
END_TEST

START_TEST(what_is_too_hard_is_said_to_be)
{
    struct history *h = history_new();
    struct buf words = BUF_INIT;
    struct history_limits few = {1 << 20, 1 << 20};
    for (int64_t i = 0; i < 40; i++) {
        struct history_op op = {.kind = HISTORY_PUT, .invoked = 0, .returned = 100 + i, .value = i};
        history_add(h, "hard", &op);
    }
    struct history_op read = {.kind = HISTORY_READ, .invoked = 200, .returned = 201, .value = 7};
    history_add(h, "hard", &read);
    ck_assert_int_eq(history_judge(h, &few, &words), HISTORY_TOO_HARD);
    struct history_op wrong = {.kind = HISTORY_READ, .returned = 1, .value = 7, .version = 8};
    history_add(h, "wrong", &wrong);
    ck_assert_int_eq(history_judge(h, &few, &words), HISTORY_BAD);
    read.value = 77;
    history_add(h, "hard", &read);
    words.len = 0;
    ck_assert_int_eq(history_judge(h, &few, &words), HISTORY_BAD);
    buf_add_u8(&words, '\0');
    ck_assert_ptr_nonnull(strstr((const char *)words.data, "on 2 keys: 2 bad, 0 too hard"));
    history_free(h);
    buf_release(&words);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lib/history");
    TCase *tcase = tcase_create("lib/history");
    tcase_set_timeout(tcase, 600); /* for what hangs: sanitizers on a busy machine are slow */
    tcase_add_loop_test(tcase, known_histories_are_judged_as_they_are_known, 0,
                        sizeof knowns / sizeof *knowns);
    tcase_add_test(tcase, lines_that_are_none_are_refused_by_number);
    tcase_add_test(tcase, a_line_that_is_read_is_written_as_it_was);
    tcase_add_test(tcase, an_explanation_leaves_out_what_is_not_needed);
    tcase_add_test(tcase, of_configurations_alike_those_that_need_least_are_kept);
    tcase_add_test(tcase, tiny_histories_are_judged_as_all_orders_say);
    tcase_add_loop_test(tcase, a_hundred_thousand_operations_take_seconds, 0, 4);
    tcase_add_test(tcase, what_is_too_hard_is_said_to_be);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
