/* job_row.c - jobs as bytes: rows, ids, steps, writes. Rows carry a format, so that later ones are
 * told from damage. */
#include "compute/job_priv.h"

#include <string.h>

enum { ROW_FORMAT = 1 };

const char *job_status_text(uint64_t status)
{
    static const char *const texts[] = {
#define X(name, code, text) [code] = (text),
        JOB_STATUS_LIST(X)
#undef X
    };
    return status < JOB_STATUSES ? texts[status] : "?";
}

static void add_number(struct buf *out, uint64_t v)
{
    uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX);
    out->len += (size_t)(write_varint(start, v) - start);
}

static void add_slice(struct buf *out, struct slice s)
{
    uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX + s.len);
    out->len += (size_t)(write_slice(start, s) - start);
}

void job_row_encode(const struct job_row *r, struct buf *out)
{
    buf_add_u8(out, ROW_FORMAT);
#define X(field, most) add_number(out, r->field);
    JOB_NUMBERS(X)
#undef X
#define X(field, most) add_slice(out, r->field);
    JOB_SLICES(X)
#undef X
}

bool job_row_decode(struct slice bytes, struct job_row *ret_row)
{
    struct reader r = {bytes.data, bytes.data + bytes.len, false};
    struct job_row row;
    r.bad = read_u8(&r) != ROW_FORMAT;
#define X(field, most) row.field = read_varint(&r, (most));
    JOB_NUMBERS(X)
#undef X
#define X(field, most) row.field = read_slice(&r, 0, (most));
    JOB_SLICES(X)
#undef X
    if (r.bad || read_left(&r) || !row.name.len || !row.key.len)
        return false;
    *ret_row = row;
    return true;
}

/* --- ids -------------------------------------------------------------------------------------- */

struct job_id job_id_make(uint32_t context, uint16_t slot, const uint8_t *random)
{
    struct job_id id = {
        {(uint8_t)(context >> 8), (uint8_t)context, (uint8_t)(slot >> 8), (uint8_t)slot}};
    memcpy(id.bytes + JOB_PLACE_BYTES, random, JOB_ID_BYTES - JOB_PLACE_BYTES);
    return id;
}

uint32_t job_id_context(const struct job_id *id)
{
    return (uint32_t)id->bytes[0] << 8 | id->bytes[1];
}

uint16_t job_id_slot(const struct job_id *id)
{
    return (uint16_t)(id->bytes[2] << 8 | id->bytes[3]);
}

void job_id_key(const struct job_id *id, uint8_t ret_key[JOB_KEY_BYTES])
{
    ret_key[0] = 'j';
    memcpy(ret_key + 1, id->bytes, JOB_ID_BYTES);
}

bool job_key_id(struct slice key, struct job_id *ret_id)
{
    if (key.len != JOB_KEY_BYTES || key.data[0] != 'j')
        return false;
    memcpy(ret_id->bytes, key.data + 1, JOB_ID_BYTES);
    return true;
}

static const char hex[] = "0123456789abcdef";

void job_id_text(const struct job_id *id, char ret_text[JOB_ID_TEXT + 1])
{
    for (size_t i = 0; i < JOB_ID_BYTES; i++) {
        ret_text[2 * i] = hex[id->bytes[i] >> 4];
        ret_text[2 * i + 1] = hex[id->bytes[i] & 15];
    }
    ret_text[JOB_ID_TEXT] = '\0';
}

bool job_id_parse(struct slice text, struct job_id *ret_id)
{
    struct job_id id = {{0}};
    if (text.len != JOB_ID_TEXT)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.data[i] ? strchr(hex, text.data[i]) : NULL;
        if (!at)
            return false;
        id.bytes[i / 2] = (uint8_t)(id.bytes[i / 2] << 4 | (at - hex));
    }
    *ret_id = id;
    return true;
}

/* --- steps, writes ---------------------------------------------------------------------------- */

void job_step_encode(const struct job_step *s, struct buf *out)
{
    const uint64_t numbers[] = {s->kind, s->attempt, s->step, s->progress, s->stated};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number(out, numbers[i]);
    add_slice(out, s->bytes);
}

bool job_step_decode(struct slice bytes, struct job_step *ret_step)
{
    struct reader r = {bytes.data, bytes.data + bytes.len, false};
    *ret_step = (struct job_step){.kind = read_varint(&r, JOB_STEP_KINDS - 1),
                                  .attempt = read_varint(&r, UINT32_MAX),
                                  .step = read_varint(&r, UINT64_MAX >> 24),
                                  .progress = read_varint(&r, JOB_PROGRESS_NONE),
                                  .stated = read_varint(&r, 1)};
    size_t most = ret_step->kind == JOB_STEP_MORE ? JOB_STATE_MAX : JOB_RESULT_MAX;
    ret_step->bytes = read_slice(&r, 0, most);
    return !r.bad && !read_left(&r);
}

void job_write_encode(const struct job_write *w, struct buf *out)
{
    const uint64_t numbers[] = {w->kind,    w->cache,  w->checked,
                                w->version, w->ttl_ms, zigzag(w->delta)};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number(out, numbers[i]);
    add_slice(out, w->key);
    add_slice(out, w->value);
}

bool job_write_decode(struct slice bytes, struct job_write *ret_write)
{
    struct reader r = {bytes.data, bytes.data + bytes.len, false};
    struct job_write w = {.kind = read_varint(&r, JOB_WRITE_KINDS - 1),
                          .cache = read_varint(&r, UINT32_MAX),
                          .checked = read_varint(&r, 1),
                          .version = read_varint(&r, UINT64_MAX),
                          .ttl_ms = read_varint(&r, JOB_MS_MAX)};
    w.delta = unzigzag(read_varint(&r, UINT64_MAX));
    w.key = read_slice(&r, 1, KEY_BYTES_MAX);
    w.value = read_slice(&r, 0, SIZE_MAX);
    *ret_write = w;
    return !r.bad && !read_left(&r);
}
