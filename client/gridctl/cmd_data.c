/* cmd_data.c - put, get, del, incr, expire, scan, count, locate. */
#include "commands.h"
#include "record.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define COLUMNS(list) (list), sizeof(list) / sizeof *(list)

/* "CACHE "key"", for messages. */
static const char *what(const struct args *a, char buf[QUOTE_BYTES * 2])
{
    char key[QUOTE_BYTES];
    const char *text = args_text(a, "KEY");
    snprintf(buf, (size_t)QUOTE_BYTES * 2, "%s %s", args_text(a, "CACHE"),
             quote(key, text, strlen(text)));
    return buf;
}

/* A hash is shown as JSON text. */
static void show_value(struct ctl *c, enum grid_type type, struct grid_bytes value)
{
    if (type != GRID_HASH) {
        out_bytes(c->out, value.data, value.len);
        return;
    }
    struct text text = {0};
    if (value.len)
        record_add_hash(&text, value);
    else
        text_add_str(&text, "(a hash larger than max_value)");
    out_bytes(c->out, text.data, text.len);
    text_release(&text);
}

static int fail_key(struct ctl *c, const struct args *a, enum grid_err err)
{
    char buf[QUOTE_BYTES * 2];
    return ctl_fail(c, err, what(a, buf));
}

static struct grid_bytes affinity_of(const struct args *a)
{
    return ctl_bytes(args_text(a, "--affinity"));
}

static void set_ttl(struct grid_write *how, const struct arg_value *ttl)
{
    if (!ttl->set)
        return;
    how->ttl = ttl->number ? GRID_TTL_SET : GRID_TTL_NONE;
    how->ttl_ms = ttl->number;
}

static int put_value(struct ctl *c, const struct args *a, struct grid_bytes value)
{
    static const struct out_column columns[] = {{"version", OUT_NUMBER, false}};
    struct grid_write how = {.affinity = affinity_of(a)};
    struct grid_cache *cache;
    uint64_t version = 0;
    char buf[QUOTE_BYTES * 2];
    bool if_absent = args_flag(a, "--if-absent"), if_version = args_flag(a, "--if-version");
    int code = ctl_cache(c, &cache);
    if (code)
        return code;
    set_ttl(&how, args_value(a, "--ttl"));
    how.version = args_number(a, "--if-version", 0);
    how.condition = if_absent ? GRID_IF_ABSENT : if_version ? GRID_IF_VERSION : GRID_ALWAYS;
    enum grid_err err = grid_put(cache, ctl_bytes(args_text(a, "KEY")), value, &how, &version);
    if (err == GRID_ECONDITION && version)
        return ctl_error(c, EXIT_NOT_MET, "%s: condition not met: the key has version %" PRIu64,
                         what(a, buf), version);
    if (err == GRID_ECONDITION)
        return ctl_error(c, EXIT_NOT_MET, "%s: condition not met: there is no such key",
                         what(a, buf));
    if (err != GRID_OK)
        return fail_key(c, a, err);
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_number(c->out, version);
    out_end(c->out);
    return EXIT_DONE;
}

int cmd_put(struct ctl *c, const struct args *a)
{
    const char *value = args_text(a, "VALUE");
    if (args_flag(a, "--if-absent") && args_flag(a, "--if-version"))
        return ctl_error(c, EXIT_USAGE, "--if-absent and --if-version exclude each other");
    if (strcmp(value, "-") != 0)
        return put_value(c, a, ctl_bytes(value));
    struct text read = {0};
    int code = ctl_read(c, "-", VALUE_BYTES_MAX, &read);
    if (code == 0)
        code = put_value(c, a, (struct grid_bytes){read.data, read.len});
    text_release(&read);
    return code;
}

int cmd_get(struct ctl *c, const struct args *a)
{
    static const struct out_column plain[] = {{"key", OUT_TEXT, true},
                                              {"version", OUT_NUMBER, true},
                                              {"deadline_ms", OUT_NUMBER, true},
                                              {"value", OUT_RAW, false}};
    static const struct out_column versioned[] = {{"key", OUT_TEXT, true},
                                                  {"version", OUT_NUMBER, false},
                                                  {"deadline_ms", OUT_NUMBER, true},
                                                  {"value", OUT_RAW, false}};
    struct grid_cache *cache;
    struct grid_value value;
    struct grid_bytes key = ctl_bytes(args_text(a, "KEY"));
    int code = ctl_read_cache(c, &cache);
    if (code)
        return code;
    enum grid_err err = grid_get(cache, key, affinity_of(a), &value);
    if (err != GRID_OK)
        return fail_key(c, a, err);
    out_begin(c->out, OUT_LINE, args_flag(a, "--version") ? versioned : plain, 4);
    out_bytes(c->out, key.data, key.len);
    out_number(c->out, value.version);
    out_number(c->out, value.deadline_ms);
    show_value(c, value.type, (struct grid_bytes){value.data, value.len});
    out_end(c->out);
    grid_value_release(&value);
    return EXIT_DONE;
}

int cmd_del(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"deleted", OUT_BOOL, false}};
    struct grid_write how = {.affinity = affinity_of(a)};
    struct grid_cache *cache;
    int code = ctl_cache(c, &cache);
    if (code)
        return code;
    enum grid_err err = grid_delete(cache, ctl_bytes(args_text(a, "KEY")), &how);
    if (err != GRID_OK)
        return fail_key(c, a, err);
    if (!out_json(c->out))
        return EXIT_DONE;
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_bool(c->out, true);
    out_end(c->out);
    return EXIT_DONE;
}

int cmd_incr(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"number", OUT_NUMBER, false}};
    const struct arg_value *by = args_value(a, "BY");
    struct grid_write how = {.affinity = affinity_of(a)};
    struct grid_cache *cache;
    int64_t number;
    int code = ctl_cache(c, &cache);
    if (code)
        return code;
    enum grid_err err =
        grid_incr(cache, ctl_bytes(args_text(a, "KEY")), by->set ? by->integer : 1, &how, &number);
    if (err != GRID_OK)
        return fail_key(c, a, err);
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_signed(c->out, number);
    out_end(c->out);
    return EXIT_DONE;
}

int cmd_expire(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"version", OUT_NUMBER, false}};
    struct grid_write how = {.affinity = affinity_of(a)};
    struct grid_cache *cache;
    uint64_t version;
    int code = ctl_cache(c, &cache);
    if (code)
        return code;
    set_ttl(&how, args_value(a, "D"));
    enum grid_err err = grid_expire(cache, ctl_bytes(args_text(a, "KEY")), &how, &version);
    if (err != GRID_OK)
        return fail_key(c, a, err);
    if (!out_json(c->out))
        return EXIT_DONE;
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_number(c->out, version);
    out_end(c->out);
    return EXIT_DONE;
}

int cmd_scan(struct ctl *c, const struct args *a)
{
    static const struct out_column pairs[] = {{"key", OUT_ESCAPED, false},
                                              {"value", OUT_ESCAPED, false},
                                              {"version", OUT_NUMBER, true},
                                              {"deadline_ms", OUT_NUMBER, true}};
    static const struct out_column keys[] = {{"key", OUT_ESCAPED, false},
                                             {"version", OUT_NUMBER, true},
                                             {"deadline_ms", OUT_NUMBER, true}};
    bool keys_only = args_flag(a, "--keys");
    uint64_t limit = args_number(a, "--limit", UINT64_MAX);
    struct grid_scan_options how = {.prefix = ctl_bytes(args_text(a, "--prefix")),
                                    .keys_only = keys_only,
                                    .page = limit < 1000 ? (uint32_t)limit : 0};
    struct grid_cache *cache;
    struct grid_scan *scan;
    struct grid_entry entry;
    int code = ctl_read_cache(c, &cache);
    if (code)
        return code;
    enum grid_err err = grid_scan_start(cache, &how, &scan);
    if (err != GRID_OK)
        return ctl_fail(c, err, args_text(a, "CACHE"));
    out_begin(c->out, OUT_STREAM, keys_only ? keys : pairs, keys_only ? 3 : 4);
    for (uint64_t n = 0; n < limit && !ferror(c->out_file); n++) {
        err = grid_scan_next(scan, &entry);
        if (err != GRID_OK)
            break;
        out_bytes(c->out, entry.key.data, entry.key.len);
        if (!keys_only)
            show_value(c, entry.type, entry.value);
        out_number(c->out, entry.version);
        out_number(c->out, entry.deadline_ms);
    }
    out_end(c->out);
    grid_scan_free(scan);
    return err == GRID_OK || err == GRID_ENOT_FOUND ? EXIT_DONE
                                                    : ctl_fail(c, err, args_text(a, "CACHE"));
}

int cmd_count(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"count", OUT_NUMBER, false}};
    struct grid_cache *cache;
    uint64_t count;
    int code = ctl_read_cache(c, &cache);
    if (code)
        return code;
    enum grid_err err = grid_count(cache, &count);
    if (err != GRID_OK)
        return ctl_fail(c, err, args_text(a, "CACHE"));
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_number(c->out, count);
    out_end(c->out);
    return EXIT_DONE;
}

int cmd_locate(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {
        {"partition", OUT_NUMBER, false}, {"epoch", OUT_NUMBER, false},
        {"primary", OUT_TEXT, false},     {"in_sync", OUT_TEXT, false},
        {"slot", OUT_NUMBER, false},      {"shard", OUT_NUMBER, false},
        {"address", OUT_TEXT, false}};
    struct grid_cache *cache;
    struct grid_location *location;
    int code = ctl_cache(c, &cache);
    if (code)
        return code;
    enum grid_err err =
        grid_locate(cache, ctl_bytes(args_text(a, "KEY")), affinity_of(a), &location);
    if (err != GRID_OK)
        return fail_key(c, a, err);
    out_begin(c->out, OUT_RECORD, COLUMNS(columns));
    out_number(c->out, location->partition);
    out_number(c->out, location->epoch);
    out_text(c->out, location->primary);
    out_list(c->out, location->in_sync, sizeof *location->in_sync, location->in_sync_len);
    out_number(c->out, location->slot);
    out_number(c->out, location->shard);
    out_text(c->out, location->address);
    out_end(c->out);
    if (!*location->primary)
        code =
            ctl_error(c, EXIT_NOT_MET, "no node leads partition %u now: see gridctl partition list",
                      location->partition);
    grid_free(location);
    return code;
}
