/* dump.c - DUMP, RESTORE, OBJECT, MEMORY USAGE: a value from outside and from within.
 *
 * What DUMP gives is opaque to clients:
 *   u8 type | stored form | u16 format | u64 hash of all before */
#include "base/hash.h"
#include "command/command_priv.h"

enum { DUMP_FORMAT = 1, DUMP_TAIL = 10, DUMP_SEED = 0x6772 };

void command_dump(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    if (!e) {
        reply_null(c);
        return;
    }
    struct slice stored = value_stored(c, e);
    uint8_t *out = call_alloc(c, 1 + stored.len + DUMP_TAIL);
    out[0] = (uint8_t)entry_type(e);
    if (stored.len)
        memcpy(out + 1, stored.data, stored.len);
    store_u16(out + 1 + stored.len, DUMP_FORMAT);
    store_u64(out + 3 + stored.len, hash_key(slice_make(out, 3 + stored.len), DUMP_SEED));
    reply_bulk(c, slice_make(out, 1 + stored.len + DUMP_TAIL));
}

/* False: not what command_dump() made. */
static bool dump_open(struct slice dump, unsigned *ret_type, struct slice *ret_stored)
{
    if (dump.len < 1 + DUMP_TAIL)
        return false;
    size_t len = dump.len - 1 - DUMP_TAIL;
    const uint8_t *tail = dump.data + 1 + len;
    if (load_u16(tail) != DUMP_FORMAT ||
        load_u64(tail + 2) != hash_key(slice_make(dump.data, 3 + len), DUMP_SEED))
        return false;
    *ret_type = dump.data[0];
    *ret_stored = slice_make(dump.data + 1, len);
    return true;
}

struct restore_options {
    bool replace, absolute, idle, freq;
};

static bool restore_option(struct call *c, uint32_t *at, struct restore_options *o)
{
    int64_t n;
    bool idle = arg_is(c->args[*at], "idletime"), freq = arg_is(c->args[*at], "freq");
    if (arg_is(c->args[*at], "replace"))
        return o->replace = true;
    if (arg_is(c->args[*at], "absttl"))
        return o->absolute = true;
    bool takes = (idle && !o->freq) || (freq && !o->idle); /* one of them, again and again */
    o->idle |= idle;
    o->freq |= freq;
    if (!takes || *at + 1 == c->args_len) {
        reply_error(c, SYNTAX);
        return false;
    }
    if (!arg_integer(c->args[++*at], &n)) {
        reply_error(c, NOT_INTEGER);
        return false;
    }
    if (n < 0 || (freq && n > 255)) {
        reply_error(c, idle ? "ERR Invalid IDLETIME value, must be >= 0"
                            : "ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
    }
    return true;
}

void command_restore(struct call *c)
{
    struct restore_options o = {0};
    unsigned type;
    struct slice stored;
    int64_t ttl;
    for (uint32_t i = 4; i < c->args_len; i++) {
        if (!restore_option(c, &i, &o))
            return;
    }
    if (!o.replace && call_entry(c, 0)) {
        reply_error(c, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!arg_integer(c->args[2], &ttl)) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    if (ttl < 0) {
        reply_error(c, "ERR Invalid TTL value, must be >= 0");
        return;
    }
    if (!dump_open(c->args[3], &type, &stored)) {
        reply_error(c, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    if (stored.len > call_value_max(c) + STORED_HEAD_MAX) {
        reply_error(c, TOO_LONG);
        return;
    }
    if (!value_valid(type, stored)) {
        reply_error(c, "ERR Bad data format");
        return;
    }
    bool late = __builtin_add_overflow(ttl, o.absolute || !ttl ? 0 : (int64_t)c->now, &ttl);
    if (late) {
        reply_error(c, "ERR Invalid TTL value, must be >= 0");
        return;
    }
    call_put(c, 0, (enum value_type)type, stored, (msec_t)ttl);
    reply_ok(c);
}

/* --- OBJECT, MEMORY --------------------------------------------------------------------------- */

/* By the rules that Redis has for its own forms: tools look at these words. */
static const char *string_encoding(struct slice s)
{
    enum { EMBEDDED_MAX = 44 };
    int64_t number;
    if (s.len <= 20 && arg_integer(s, &number))
        return "int";
    return s.len <= EMBEDDED_MAX ? "embstr" : "raw";
}

struct sizes {
    uint64_t fields;
    size_t longest;
};

static void size_add(void *ctx, struct slice field, struct slice value)
{
    struct sizes *s = ctx;
    size_t longer = field.len > value.len ? field.len : value.len;
    s->longest = s->longest > longer ? s->longest : longer;
    s->fields++;
}

static const char *hash_encoding(const struct entry *e)
{
    enum { LIST_FIELDS_MAX = 512, LIST_BYTES_MAX = 64 };
    struct sizes s = {0};
    if (fields_len(entry_fields(e)) > LIST_FIELDS_MAX)
        return "hashtable";
    fields_each(entry_fields(e), size_add, &s);
    return s.longest > LIST_BYTES_MAX ? "hashtable" : "listpack";
}

void command_object_encoding(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    if (!e)
        reply_null(c);
    else if (value_is_bytes(entry_type(e)))
        reply_bulk(c, slice_str(string_encoding(entry_string(e))));
    else
        reply_bulk(c, slice_str(hash_encoding(e)));
}

/* Redis shares small numbers among all keys, and says so. */
static bool is_small_number(const struct entry *e)
{
    enum { SHARED_NUMBERS = 10000 };
    int64_t number;
    return value_is_bytes(entry_type(e)) && arg_integer(entry_string(e), &number) && number >= 0 &&
           number < SHARED_NUMBERS;
}

void command_object_refcount(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    if (e)
        reply_integer(c, is_small_number(e) ? INT32_MAX : 1);
    else
        reply_null(c);
}

/* When a key was last used is known by one bit only. */
void command_object_idletime(struct call *c)
{
    if (call_entry(c, 0))
        reply_integer(c, 0);
    else
        reply_null(c);
}

void command_object_freq(struct call *c)
{
    if (call_entry(c, 0))
        reply_error(c, "ERR An LFU maxmemory policy is not selected, access frequency not "
                       "tracked. Please note that when switching between policies at runtime LRU "
                       "and LFU data will take some time to adjust.");
    else
        reply_null(c);
}

void command_memory_usage(struct call *c)
{
    enum { BUCKET_BYTES = 14 }; /* an entry's part of the table */
    const struct entry *e = call_entry(c, 0);
    for (uint32_t i = 3; i < c->args_len; i += 2) {
        int64_t samples;
        bool known = arg_is(c->args[i], "samples") && i + 1 < c->args_len;
        if (known && !arg_integer(c->args[i + 1], &samples)) {
            reply_error(c, NOT_INTEGER);
            return;
        }
        if (!known || samples < 0) {
            reply_error(c, SYNTAX);
            return;
        }
    }
    if (e)
        reply_integer(c, (int64_t)entry_size(e) + BUCKET_BYTES);
    else
        reply_null(c);
}
