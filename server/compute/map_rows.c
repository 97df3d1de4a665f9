/* map_rows.c - rows of maps as bytes: what goes between nodes, and what clients are shown. */
#include "compute/map_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { EMITTED_HEAD = 9, SHOWN_HEAD = 8, NUMBER_BYTES = 32 };

bool map_emitted_read(struct slice rows, size_t *at, struct map_emitted *ret_row)
{
    if (rows.len - *at < EMITTED_HEAD)
        return false;
    const uint8_t *head = rows.data + *at;
    size_t key = load_u32(head), value = load_u32(head + 4), left = rows.len - *at - EMITTED_HEAD;
    if (key > left || value > left - key)
        return false;
    ret_row->what = head[8];
    ret_row->key = slice_make(head + EMITTED_HEAD, key);
    ret_row->value = slice_make(head + EMITTED_HEAD + key, value);
    *at += EMITTED_HEAD + key + value;
    bool number = ret_row->what == 'i' || ret_row->what == 'd';
    return number ? value == 8 : ret_row->what == 's' || ret_row->what == 'j';
}

void map_emitted_add(struct buf *rows, struct slice key, struct slice value, uint8_t what)
{
    buf_add_u32(rows, (uint32_t)key.len);
    buf_add_u32(rows, (uint32_t)value.len);
    buf_add_u8(rows, what);
    buf_add(rows, key.data, key.len);
    buf_add(rows, value.data, value.len);
}

static struct slice value_text(const struct map_emitted *row, char number[NUMBER_BYTES])
{
    int len;
    double d;
    uint64_t bits;
    if (row->what == 's' || row->what == 'j')
        return row->value;
    bits = load_u64(row->value.data);
    memcpy(&d, &bits, sizeof d);
    if (row->what == 'i')
        len = snprintf(number, NUMBER_BYTES, "%lld", (long long)bits);
    else if (d == floor(d) && fabs(d) < 1e15)
        len = snprintf(number, NUMBER_BYTES, "%.0f", d);
    else
        len = snprintf(number, NUMBER_BYTES, "%.17g", d);
    return slice_make(number, (size_t)len);
}

enum { PLACED_BY_FOLLOWS = 0x8000 };

static bool key_bytes_read(struct slice in, size_t *at, size_t len, struct slice *ret_bytes)
{
    if (!len || len > in.len - *at)
        return false;
    *ret_bytes = slice_make(in.data + *at, len);
    *at += len;
    return true;
}

bool map_key_read(struct slice keys, size_t *at, struct map_key *ret_key)
{
    if (keys.len - *at < 2)
        return false;
    size_t head = load_u16(keys.data + *at);
    *at += 2;
    if (!key_bytes_read(keys, at, head & ~(size_t)PLACED_BY_FOLLOWS, &ret_key->key))
        return false;
    ret_key->placed_by = ret_key->key;
    if (!(head & PLACED_BY_FOLLOWS))
        return true;
    if (keys.len - *at < 2)
        return false;
    size_t len = load_u16(keys.data + *at);
    *at += 2;
    return key_bytes_read(keys, at, len, &ret_key->placed_by);
}

bool map_rows_show(struct slice emitted, struct buf *shown)
{
    struct map_emitted row;
    char number[NUMBER_BYTES];
    size_t at = 0;
    while (at < emitted.len) {
        if (!map_emitted_read(emitted, &at, &row))
            return false;
        struct slice text = value_text(&row, number);
        buf_add_u32(shown, (uint32_t)row.key.len);
        buf_add_u32(shown, (uint32_t)text.len);
        buf_add(shown, row.key.data, row.key.len);
        buf_add(shown, text.data, text.len);
    }
    return true;
}
