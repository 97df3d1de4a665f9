/* keys.c - keys whatever their values are: presence, deadlines, names. */
#include "command/command_priv.h"

#include <stdlib.h>

/* --- presence --------------------------------------------------------------------------------- */

static int entry_order(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const struct entry *const *)a;
    uintptr_t y = (uintptr_t) * (const struct entry *const *)b;
    return (x > y) - (x < y);
}

/* A key named twice is one. */
static int64_t entries_different(const struct entry **entries, uint32_t len)
{
    uint32_t n = len > 0;
    if (len > 1)
        qsort(entries, len, sizeof(const struct entry *), entry_order);
    for (uint32_t i = 1; i < len; i++)
        n += entries[i] != entries[i - 1];
    return n;
}

void command_del(struct call *c)
{
    const struct entry **entries = call_alloc(c, c->keys_len * sizeof *entries);
    uint32_t len = 0;
    for (uint32_t i = 0; i < c->keys_len; i++) {
        const struct entry *e = call_entry(c, i);
        if (!e)
            continue;
        call_remove(c, i);
        entries[len++] = e;
    }
    reply_integer(c, entries_different(entries, len));
}

/* A key named twice counts twice. */
void command_exists(struct call *c)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < c->keys_len; i++)
        n += call_entry(c, i) != NULL;
    reply_integer(c, n);
}

void command_type(struct call *c)
{
    static const char *const names[VALUE_TYPES] = {
        [VALUE_BYTES] = "string", [VALUE_MEDIA] = "string", [VALUE_HASH] = "hash"};
    const struct entry *e = call_entry(c, 0);
    reply_status(c, e ? names[entry_type(e)] : "none");
}

/* --- deadlines -------------------------------------------------------------------------------- */

enum expire_flag { IF_NONE = 1, IF_SOME = 2, IF_LATER = 4, IF_EARLIER = 8 };

static bool expire_flags(struct call *c, unsigned *ret_flags)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nx", IF_NONE}, {"xx", IF_SOME}, {"gt", IF_LATER}, {"lt", IF_EARLIER}};
    unsigned flags = 0;
    for (uint32_t i = 3; i < c->args_len; i++) {
        size_t w = 0;
        while (w < 4 && !arg_is(c->args[i], words[w].word))
            w++;
        if (w == 4) {
            reply_errorf(c, "ERR Unsupported option %.*s", (int)c->args[i].len,
                         (const char *)c->args[i].data);
            return false;
        }
        flags |= words[w].flag;
    }
    if (flags & IF_NONE && flags & ~(unsigned)IF_NONE) {
        reply_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (flags & IF_LATER && flags & IF_EARLIER) {
        reply_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    *ret_flags = flags;
    return true;
}

/* No deadline is later than any. */
static bool expire_wanted(unsigned flags, msec_t now, msec_t then)
{
    return !((flags & IF_NONE && now) || (flags & IF_SOME && !now) ||
             (flags & IF_LATER && (!now || then <= now)) ||
             (flags & IF_EARLIER && now && then >= now));
}

static void expire(struct call *c, const char *command, struct expiry_unit unit)
{
    unsigned flags;
    msec_t deadline;
    if (!expire_flags(c, &flags) || !deadline_parse(c, c->args[2], unit, command, false, &deadline))
        return;
    const struct entry *e = call_entry(c, 0);
    bool done = e && expire_wanted(flags, entry_deadline(e), deadline);
    if (done)
        call_expire(c, 0, deadline);
    reply_integer(c, done);
}

void command_expire(struct call *c)
{
    expire(c, "expire", (struct expiry_unit){false, 1000});
}

void command_pexpire(struct call *c)
{
    expire(c, "pexpire", (struct expiry_unit){false, 1});
}

void command_expireat(struct call *c)
{
    expire(c, "expireat", (struct expiry_unit){true, 1000});
}

void command_pexpireat(struct call *c)
{
    expire(c, "pexpireat", (struct expiry_unit){true, 1});
}

static void ttl(struct call *c, bool absolute, msec_t unit)
{
    const struct entry *e = call_entry(c, 0);
    if (!e || !entry_deadline(e)) {
        reply_integer(c, e ? -1 : -2);
        return;
    }
    msec_t ms = entry_deadline(e) - (absolute ? 0 : c->now);
    reply_integer(c, (int64_t)(unit == 1 ? ms : (ms + 500) / unit));
}

void command_ttl(struct call *c)
{
    ttl(c, false, 1000);
}

void command_pttl(struct call *c)
{
    ttl(c, false, 1);
}

void command_expiretime(struct call *c)
{
    ttl(c, true, 1000);
}

void command_pexpiretime(struct call *c)
{
    ttl(c, true, 1);
}

void command_persist(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    bool had = e && entry_deadline(e);
    if (had)
        call_expire(c, 0, 0);
    reply_integer(c, had);
}

/* --- names ------------------------------------------------------------------------------------ */

struct slice value_stored(struct call *c, const struct entry *e)
{
    if (!entry_is_map(e))
        return entry_value(e);
    struct fields_view v = entry_fields(e);
    struct buf packed = BUF_INIT;
    fields_store(v, &packed);
    uint8_t *copy = call_alloc(c, packed.len);
    memcpy(copy, packed.data, packed.len);
    struct slice s = slice_make(copy, packed.len);
    buf_release(&packed);
    return s;
}

/* Whole values go into a record, so they are bounded as values are. */
static bool copy_fits(struct call *c, const struct entry *e)
{
    size_t len = entry_is_map(e) ? fields_packed_bytes(entry_fields(e)) : entry_value(e).len;
    if (len <= call_value_max(c) + STORED_HEAD_MAX)
        return true;
    reply_error(c, TOO_LONG);
    return false;
}

/* Key 1 becomes what key 0 is. */
static void copy(struct call *c, const struct entry *e)
{
    call_put(c, 1, entry_type(e), value_stored(c, e), entry_deadline(e));
}

static void rename_key(struct call *c, bool only_new)
{
    const struct entry *e = call_entry(c, 0);
    bool same = slice_eq(call_key(c, 0), call_key(c, 1));
    if (!e) {
        reply_error(c, "ERR no such key");
        return;
    }
    bool done = !(only_new && (same || call_entry(c, 1)));
    if (done && !same) {
        if (!copy_fits(c, e))
            return;
        copy(c, e);
        call_remove(c, 0);
    }
    if (only_new)
        reply_integer(c, done);
    else
        reply_ok(c);
}

void command_rename(struct call *c)
{
    rename_key(c, false);
}

void command_renamenx(struct call *c)
{
    rename_key(c, true);
}

void command_copy(struct call *c)
{
    bool replace = false;
    for (uint32_t i = 3; i < c->args_len; i++) {
        int64_t db = 0;
        if (arg_is(c->args[i], "replace")) {
            replace = true;
        } else if (arg_is(c->args[i], "db") && i + 1 < c->args_len) {
            if (!arg_integer(c->args[++i], &db)) {
                reply_error(c, NOT_INTEGER);
                return;
            }
            if (db != 0) {
                reply_error(c, "ERR DB index is out of range");
                return;
            }
        } else {
            reply_error(c, SYNTAX);
            return;
        }
    }
    if (slice_eq(call_key(c, 0), call_key(c, 1))) {
        reply_error(c, "ERR source and destination objects are the same");
        return;
    }
    const struct entry *e = call_entry(c, 0);
    bool done = e && (replace || !call_entry(c, 1));
    if (done && !copy_fits(c, e))
        return;
    if (done)
        copy(c, e);
    reply_integer(c, done);
}
