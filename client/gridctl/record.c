/* record.c - see record.h. */
#include "record.h"
#include "value.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct records {
    struct record_options options;
    size_t key_column, affinity_column; /* tsv, from 1; 0: none, or not known before the header */
    bool header_seen;
    struct text key, value, affinity, media;
};

static bool column_number(const char *text, size_t *ret)
{
    uint64_t n;
    if (!value_count(text, &n) || n < 1 || n > 100000)
        return false;
    *ret = (size_t)n;
    return true;
}

static bool check_column(const struct record_options *o, const char *name, const char *text,
                         size_t *ret, char *why)
{
    char shown[QUOTE_BYTES];
    if (!text || o->header || column_number(text, ret))
        return true;
    snprintf(why, RECORD_WHY_BYTES,
             "--%s: %s is not a column number from 1 to 100000; names need --header", name,
             quote(shown, text, strlen(text)));
    return false;
}

struct records *records_new(const struct record_options *options, char why[RECORD_WHY_BYTES])
{
    struct records *r = mem_new(1, sizeof *r);
    bool tsv = options->format == RECORD_TSV, ok = true;
    *r = (struct records){.options = *options, .key_column = tsv};
    if (!tsv && (options->header || options->raw)) {
        snprintf(why, RECORD_WHY_BYTES, "--header and --raw are for tsv");
        ok = false;
    } else if (tsv) {
        ok = check_column(options, "key", options->key, &r->key_column, why) &&
             check_column(options, "affinity", options->affinity, &r->affinity_column, why);
    }
    if (ok)
        return r;
    records_free(r);
    return NULL;
}

void records_free(struct records *r)
{
    if (!r)
        return;
    text_release(&r->key);
    text_release(&r->value);
    text_release(&r->affinity);
    text_release(&r->media);
    free(r);
}

__attribute__((format(printf, 2, 3))) static enum record_outcome bad(char *why, const char *format,
                                                                     ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(why, RECORD_WHY_BYTES, format, list);
    va_end(list);
    return RECORD_BAD;
}

/* --- tsv --- */

/* Column `n` of a line, from 1. False: there are fewer. */
static bool column(const char *line, size_t len, size_t n, const char **ret, size_t *ret_len)
{
    const char *end = line + len;
    for (size_t i = 1;; i++) {
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        if (i == n) {
            *ret = line;
            *ret_len = (size_t)((tab ? tab : end) - line);
            return true;
        }
        if (!tab)
            return false;
        line = tab + 1;
    }
}

static size_t named_column(const char *line, size_t len, const char *name)
{
    const char *text;
    size_t n;
    for (size_t i = 1; column(line, len, i, &text, &n); i++)
        if (strlen(name) == n && memcmp(text, name, n) == 0)
            return i;
    size_t number = 0;
    return column_number(name, &number) ? number : 0;
}

static enum record_outcome take_header(struct records *r, const char *line, size_t len, char *why)
{
    char shown[QUOTE_BYTES];
    const char *const names[] = {r->options.key, r->options.affinity};
    size_t *const columns[] = {&r->key_column, &r->affinity_column};
    r->header_seen = true;
    for (size_t i = 0; i < 2; i++) {
        if (!names[i])
            continue;
        *columns[i] = named_column(line, len, names[i]);
        if (*columns[i] == 0)
            return bad(why, "the header has no column %s",
                       quote(shown, names[i], strlen(names[i])));
    }
    return RECORD_SKIP;
}

static void add_field(const struct records *r, struct text *out, const char *text, size_t len)
{
    if (r->options.raw)
        text_add(out, text, len);
    else
        unescape_add(out, text, len);
}

static enum record_outcome parse_tsv(struct records *r, const char *line, size_t len, char *why)
{
    const char *key, *text;
    size_t key_len, n;
    if (r->options.header && !r->header_seen)
        return take_header(r, line, len, why);
    if (!memchr(line, '\t', len))
        return bad(why, "no TAB: key TAB value is expected");
    if (!column(line, len, r->key_column, &key, &key_len))
        return bad(why, "there is no column %zu, which is the key", r->key_column);
    add_field(r, &r->key, key, key_len);
    if (r->affinity_column) {
        if (!column(line, len, r->affinity_column, &text, &n))
            return bad(why, "there is no column %zu, which is the affinity key",
                       r->affinity_column);
        add_field(r, &r->affinity, text, n);
    }
    const char *behind = key + key_len, *end = line + len;
    if (key > line) /* what is before the key, without the TAB between them */
        add_field(r, &r->value, line, (size_t)(key - line) - (behind == end));
    if (behind < end)
        add_field(r, &r->value, behind + 1, (size_t)(end - behind) - 1);
    return RECORD_OK;
}

/* --- jsonl --- */

/* The JSON text without blanks outside of strings: numbers stay as they were written. */
static void add_compact(struct text *out, const char *s, size_t len)
{
    bool string = false;
    size_t run = 0; /* what is kept and was not added yet begins here */
    for (size_t i = 0; i < len; i++) {
        if (string && s[i] == '\\')
            i++;
        else if (s[i] == '"')
            string = !string;
        else if (!string && memchr(" \t\r\n", s[i], 4)) {
            text_add(out, s + run, i - run);
            run = i + 1;
        }
    }
    text_add(out, s + run, len - run);
}

/* A string, {"base64": "..."} or (numbers) a whole number, as bytes. */
static bool json_bytes(const json_t *j, bool numbers, struct text *out)
{
    const json_t *encoded = json_object_get(j, "base64");
    if (json_is_string(j))
        text_add(out, json_string_value(j), json_string_length(j));
    else if (numbers && json_is_integer(j))
        text_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
    else
        return json_is_string(encoded) && json_object_size(j) == 1 &&
               base64_decode(json_string_value(encoded), json_string_length(encoded), out);
    return true;
}

static enum record_outcome take_field(const json_t *object, const char *name, bool numbers,
                                      struct text *out, char *why)
{
    char shown[QUOTE_BYTES];
    const json_t *field = json_object_get(object, name);
    quote(shown, name, strlen(name));
    if (!field)
        return bad(why, "there is no field %s", shown);
    if (!json_bytes(field, numbers, out))
        return bad(why, "field %s is neither a string%s nor {\"base64\": \"...\"}", shown,
                   numbers ? ", a whole number" : "");
    return RECORD_OK;
}

/* One more field of the hash in r->value. */
static enum record_outcome take_hash_field(struct records *r, struct grid_bytes name,
                                           const json_t *value, char *why)
{
    char shown[QUOTE_BYTES];
    struct text bytes = {0};
    bool well = json_bytes(value, true, &bytes);
    struct grid_bytes of = {bytes.data, bytes.len};
    if (well) {
        text_reserve(&r->value, grid_hash_add(NULL, name, of));
        r->value.len += grid_hash_add(r->value.data + r->value.len, name, of);
    }
    text_release(&bytes);
    if (!well)
        return bad(why, "field %s of the hash is neither a string, a whole number nor base64",
                   quote(shown, name.data, name.len));
    return RECORD_OK;
}

/* [field, value] */
static enum record_outcome take_pair(struct records *r, const json_t *pair, char *why)
{
    struct text name = {0};
    enum record_outcome outcome = RECORD_BAD;
    if (json_array_size(pair) != 2 || !json_bytes(json_array_get(pair, 0), false, &name))
        outcome = bad(why, "a hash as an array is made of [field, value]");
    else
        outcome = take_hash_field(r, (struct grid_bytes){name.data, name.len},
                                  json_array_get(pair, 1), why);
    text_release(&name);
    return outcome;
}

static enum record_outcome take_hash(struct records *r, json_t *hash, char *why)
{
    enum record_outcome outcome = RECORD_OK;
    size_t n = json_is_array(hash) ? json_array_size(hash) : json_object_size(hash);
    if (!n || (!json_is_object(hash) && !json_is_array(hash)))
        return bad(why, "field \"hash\" is neither an object nor an array, or is empty");
    for (size_t i = 0; json_is_array(hash) && i < n && outcome == RECORD_OK; i++)
        outcome = take_pair(r, json_array_get(hash, i), why);
    for (void *at = json_object_iter(hash); at && outcome == RECORD_OK;
         at = json_object_iter_next(hash, at)) {
        const char *name = json_object_iter_key(at);
        outcome = take_hash_field(r, (struct grid_bytes){name, strlen(name)},
                                  json_object_iter_value(at), why);
    }
    return outcome;
}

/* Value and type of an entry as dump writes it. */
static enum record_outcome take_value(struct records *r, const json_t *object,
                                      struct record *record, char *why)
{
    json_t *hash = json_object_get(object, "hash");
    if (hash) {
        record->type = GRID_HASH;
        return take_hash(r, hash, why);
    }
    if (!json_object_get(object, "media"))
        return take_field(object, "value", false, &r->value, why);
    record->type = GRID_MEDIA;
    enum record_outcome outcome = take_field(object, "media", false, &r->media, why);
    if (outcome == RECORD_OK && (r->media.len < 1 || r->media.len > 127))
        outcome = bad(why, "the media type has %zu bytes; 1 to 127 are expected", r->media.len);
    return outcome == RECORD_OK ? take_field(object, "value", false, &r->value, why) : outcome;
}

static enum record_outcome take_object(struct records *r, const json_t *object, const char *line,
                                       size_t len, struct record *record, char *why)
{
    const char *key = r->options.key ? r->options.key : "key";
    enum record_outcome outcome = take_field(object, key, true, &r->key, why);
    if (outcome == RECORD_OK && r->options.affinity)
        outcome = take_field(object, r->options.affinity, true, &r->affinity, why);
    if (outcome != RECORD_OK)
        return outcome;
    if (r->options.key) {
        add_compact(&r->value, line, len);
        return RECORD_OK;
    }
    if (!r->options.affinity && json_object_get(object, "affinity"))
        outcome = take_field(object, "affinity", true, &r->affinity, why);
    if (outcome != RECORD_OK)
        return outcome;
    const json_t *deadline = json_object_get(object, "deadline_ms");
    if (deadline && (!json_is_integer(deadline) || json_integer_value(deadline) < 0))
        return bad(why, "field \"deadline_ms\" is not a number of milliseconds");
    record->deadline_ms = (uint64_t)json_integer_value(deadline);
    return take_value(r, object, record, why);
}

static enum record_outcome parse_jsonl(struct records *r, const char *line, size_t len,
                                       struct record *record, char *why)
{
    json_error_t error;
    char shown[QUOTE_BYTES];
    json_t *object = json_loadb(line, len, JSON_ALLOW_NUL, &error);
    enum record_outcome outcome;
    if (!object)
        return bad(why, "not JSON: %s", quote(shown, error.text, strlen(error.text)));
    if (json_is_object(object))
        outcome = take_object(r, object, line, len, record, why);
    else
        outcome = bad(why, "not a JSON object");
    json_decref(object);
    return outcome;
}

enum record_outcome records_parse(struct records *r, const char *line, size_t len,
                                  struct record *ret_record, char why[RECORD_WHY_BYTES])
{
    text_clear(&r->key);
    text_clear(&r->value);
    text_clear(&r->affinity);
    text_clear(&r->media);
    *ret_record = (struct record){0};
    if (len == 0)
        return RECORD_SKIP;
    enum record_outcome outcome = r->options.format == RECORD_TSV
                                      ? parse_tsv(r, line, len, why)
                                      : parse_jsonl(r, line, len, ret_record, why);
    if (outcome != RECORD_OK)
        return outcome;
    if (r->key.len == 0 || r->key.len > 480)
        return bad(why, "the key has %zu bytes; 1 to 480 are expected", r->key.len);
    ret_record->key = (struct grid_bytes){r->key.data, r->key.len};
    ret_record->value = (struct grid_bytes){r->value.data, r->value.len};
    ret_record->affinity = (struct grid_bytes){r->affinity.data, r->affinity.len};
    ret_record->media = (struct grid_bytes){r->media.data, r->media.len};
    return RECORD_OK;
}

static bool names_are_text(struct grid_bytes hash)
{
    struct grid_bytes field, value;
    bool text = true;
    for (size_t at = 0; text && grid_hash_next(hash, &at, &field, &value);)
        text =
            utf8_valid(field.data, field.len) && (!field.len || !memchr(field.data, 0, field.len));
    return text;
}

void record_add_hash(struct text *out, struct grid_bytes hash)
{
    bool object = names_are_text(hash), first = true;
    struct grid_bytes field, value;
    text_add_str(out, object ? "{" : "[");
    for (size_t at = 0; grid_hash_next(hash, &at, &field, &value); first = false) {
        text_add_str(out, first ? "" : ", ");
        text_add_str(out, object ? "" : "[");
        json_add_bytes(out, field.data, field.len);
        text_add_str(out, object ? ": " : ", ");
        json_add_bytes(out, value.data, value.len);
        text_add_str(out, object ? "" : "]");
    }
    text_add_str(out, object ? "}" : "]");
}

static void add_named(struct text *out, const char *name, struct grid_bytes b)
{
    text_addf(out, ", \"%s\": ", name);
    json_add_bytes(out, b.data, b.len);
}

bool record_write(struct text *out, enum record_format format, const struct grid_entry *entry)
{
    bool hash = entry->type == GRID_HASH;
    if (hash && (format == RECORD_TSV || !entry->value.len))
        return false;
    if (format == RECORD_TSV) {
        escape_add(out, entry->key.data, entry->key.len);
        text_add(out, "\t", 1);
        escape_add(out, entry->value.data, entry->value.len);
        text_add(out, "\n", 1);
        return true;
    }
    text_add_str(out, "{\"key\": ");
    json_add_bytes(out, entry->key.data, entry->key.len);
    if (entry->affinity.len)
        add_named(out, "affinity", entry->affinity);
    if (hash) {
        text_add_str(out, ", \"hash\": ");
        record_add_hash(out, entry->value);
    } else {
        add_named(out, "value", entry->value);
    }
    if (entry->media.len)
        add_named(out, "media", entry->media);
    if (entry->deadline_ms)
        text_addf(out, ", \"deadline_ms\": %" PRIu64, entry->deadline_ms);
    text_add_str(out, "}\n");
    return true;
}

/* --- lines --- */

/* Read more behind what is there. 0: the end; -1: an error. */
static int fill(struct lines *l)
{
    if (l->at > 0) {
        l->buffer.len -= l->at;
        memmove(l->buffer.data, l->buffer.data + l->at, l->buffer.len);
        l->at = 0;
    }
    text_reserve(&l->buffer, 65536);
    size_t room = l->buffer.size - l->buffer.len - 1;
    size_t n = fread(l->buffer.data + l->buffer.len, 1, room, l->file);
    l->buffer.len += n;
    return n > 0 ? 1 : ferror(l->file) ? -1 : 0;
}

enum lines_outcome lines_next(struct lines *l, const char **ret_line, size_t *ret_len)
{
    size_t searched = 0;
    for (;;) {
        const char *start = text_str(&l->buffer) + l->at;
        size_t left = l->buffer.len - l->at;
        const char *newline = left ? memchr(start + searched, '\n', left - searched) : NULL;
        if (newline || (l->ended && left)) {
            *ret_line = start;
            *ret_len = newline ? (size_t)(newline - start) : left;
            l->at += *ret_len + (newline != NULL);
            l->bytes += *ret_len + (newline != NULL);
            l->number++;
            return LINES_OK;
        }
        if (l->ended)
            return LINES_END;
        searched = left;
        if (left > RECORD_LINE_MAX) {
            l->number++;
            return LINES_TOO_LONG;
        }
        int more = fill(l);
        if (more < 0)
            return LINES_ERROR;
        l->ended = more == 0;
    }
}

void lines_release(struct lines *l)
{
    text_release(&l->buffer);
}
