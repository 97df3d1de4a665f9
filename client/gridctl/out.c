/* out.c - cells come in; a row is handed on when it is whole.
 * Text tables must know all cells before the first line, so they keep them; everything else is
 * printed row by row. */
#include "out.h"
#include "text.h"
#include "value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 20 };

struct out_format {
    void (*begin)(struct out *o);
    void (*row)(struct out *o); /* o->cells is whole */
    void (*end)(struct out *o);
};

struct out {
    const struct out_format *format;
    FILE *file;
    bool colour;
    enum out_shape shape;
    const struct out_column *columns;
    size_t columns_len, at, rows;
    struct text cells[COLUMNS_MAX]; /* of the row that is being made, in the format's words */
    struct text *kept;              /* text tables: all cells */
    size_t kept_len, kept_size;
};

static const struct out_format text_format, json_format;

struct out *out_new(FILE *file, bool json, bool colour)
{
    struct out *o = mem_new(1, sizeof *o);
    *o = (struct out){.format = json ? &json_format : &text_format, .file = file, .colour = colour};
    return o;
}

static void drop_kept(struct out *o)
{
    for (size_t i = 0; i < o->kept_len; i++)
        text_release(&o->kept[i]);
    o->kept_len = 0;
}

void out_free(struct out *o)
{
    if (!o)
        return;
    drop_kept(o);
    free(o->kept);
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        text_release(&o->cells[i]);
    free(o);
}

bool out_json(const struct out *o)
{
    return o->format == &json_format;
}

bool out_colour(const struct out *o)
{
    return o->colour;
}

FILE *out_file(struct out *o)
{
    return o->file;
}

/* --- text --- */

static bool numeric(enum out_kind kind)
{
    return kind == OUT_NUMBER || kind == OUT_SIZE || kind == OUT_DURATION;
}

/* Characters a cell takes on the screen, taking each code point for one. */
static size_t width(const struct text *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->len; i++)
        n += ((unsigned char)t->data[i] & 0xc0) != 0x80;
    return n;
}

static void spaces(struct out *o, size_t n)
{
    fprintf(o->file, "%*s", (int)n, "");
}

static void text_begin(struct out *o)
{
    drop_kept(o);
}

static void text_line(struct out *o)
{
    bool first = true;
    for (size_t i = 0; i < o->columns_len; i++) {
        if (o->columns[i].json_only)
            continue;
        if (!first)
            putc('\t', o->file);
        fwrite(text_str(&o->cells[i]), 1, o->cells[i].len, o->file);
        first = false;
    }
    putc('\n', o->file);
}

static void text_record(struct out *o)
{
    size_t widest = 0;
    for (size_t i = 0; i < o->columns_len; i++) {
        size_t n = o->columns[i].json_only ? 0 : strlen(o->columns[i].name);
        widest = n > widest ? n : widest;
    }
    for (size_t i = 0; i < o->columns_len; i++) {
        if (o->columns[i].json_only)
            continue;
        for (const char *s = o->columns[i].name; *s; s++)
            putc(*s == '_' ? ' ' : *s, o->file);
        spaces(o, widest + 2 - strlen(o->columns[i].name));
        fprintf(o->file, "%s\n", text_str(&o->cells[i]));
    }
}

static void text_row(struct out *o)
{
    if (o->shape == OUT_RECORD) {
        text_record(o);
        return;
    }
    if (o->shape != OUT_TABLE) {
        text_line(o);
        return;
    }
    if (o->kept_len + o->columns_len > o->kept_size) {
        o->kept_size = (o->kept_len + o->columns_len) * 2;
        o->kept = mem_grow(o->kept, o->kept_size, sizeof *o->kept);
    }
    memcpy(o->kept + o->kept_len, o->cells, o->columns_len * sizeof *o->cells);
    memset(o->cells, 0, o->columns_len * sizeof *o->cells);
    o->kept_len += o->columns_len;
}

/* One line of a table. Nothing is put behind its last cell that has any text. */
static void table_line(struct out *o, const struct text *cells, const size_t *widths)
{
    size_t last = o->columns_len - 1;
    while (last > 0 && (cells[last].len == 0 || o->columns[last].json_only))
        last--;
    for (size_t i = 0; i <= last; i++) {
        if (o->columns[i].json_only)
            continue;
        size_t pad = widths[i] - width(&cells[i]);
        bool right = numeric(o->columns[i].kind);
        if (right)
            spaces(o, pad);
        fputs(text_str(&cells[i]), o->file);
        if (i != last)
            spaces(o, (right ? 0 : pad) + 2);
    }
    putc('\n', o->file);
}

static void text_end(struct out *o)
{
    struct text heads[COLUMNS_MAX] = {{0}};
    size_t widths[COLUMNS_MAX] = {0}, n = o->columns_len;
    if (o->shape != OUT_TABLE)
        return;
    for (size_t i = 0; i < n; i++) {
        for (const char *s = o->columns[i].name; *s; s++) {
            char c = *s == '_' ? '-' : *s >= 'a' && *s <= 'z' ? (char)(*s - 32) : *s;
            text_add(&heads[i], &c, 1);
        }
        widths[i] = width(&heads[i]);
    }
    for (size_t i = 0; i < o->kept_len; i++) {
        size_t w = width(&o->kept[i]);
        widths[i % n] = w > widths[i % n] ? w : widths[i % n];
    }
    fputs(o->colour ? "\033[1m" : "", o->file);
    table_line(o, heads, widths);
    fputs(o->colour ? "\033[0m" : "", o->file);
    for (size_t i = 0; i < o->kept_len; i += n)
        table_line(o, o->kept + i, widths);
    for (size_t i = 0; i < n; i++)
        text_release(&heads[i]);
    drop_kept(o);
}

static const struct out_format text_format = {text_begin, text_row, text_end};

/* --- JSON --- */

static void json_begin(struct out *o)
{
    if (o->shape == OUT_TABLE)
        putc('[', o->file);
}

static void json_row(struct out *o)
{
    if (o->shape == OUT_TABLE)
        fputs(o->rows ? ",\n " : "\n ", o->file);
    putc('{', o->file);
    for (size_t i = 0; i < o->columns_len; i++) {
        fprintf(o->file, "%s\"%s\": ", i ? ", " : "", o->columns[i].name);
        fwrite(text_str(&o->cells[i]), 1, o->cells[i].len, o->file);
    }
    fputs(o->shape == OUT_TABLE ? "}" : "}\n", o->file);
}

static void json_end(struct out *o)
{
    if (o->shape == OUT_TABLE)
        fputs(o->rows ? "\n]\n" : "]\n", o->file);
}

static const struct out_format json_format = {json_begin, json_row, json_end};

/* --- cells --- */

void out_begin(struct out *o, enum out_shape shape, const struct out_column *columns, size_t n)
{
    if (n == 0 || n > COLUMNS_MAX)
        abort();
    o->shape = shape;
    o->columns = columns;
    o->columns_len = n;
    o->at = o->rows = 0;
    o->format->begin(o);
}

/* The cell that comes next, empty. */
static struct text *cell(struct out *o)
{
    text_clear(&o->cells[o->at]);
    return &o->cells[o->at];
}

static void cell_done(struct out *o)
{
    if (++o->at < o->columns_len)
        return;
    o->at = 0;
    o->format->row(o);
    o->rows++;
}

void out_bytes(struct out *o, const void *data, size_t len)
{
    struct text *t = cell(o);
    if (out_json(o))
        json_add_bytes(t, data, len);
    else if (o->columns[o->at].kind == OUT_RAW)
        text_add(t, data, len);
    else
        escape_add(t, data, len);
    cell_done(o);
}

void out_text(struct out *o, const char *s)
{
    out_bytes(o, s, strlen(s));
}

void out_number(struct out *o, uint64_t n)
{
    struct text *t = cell(o);
    char buf[VALUE_TEXT_BYTES];
    enum out_kind kind = o->columns[o->at].kind;
    if (!out_json(o) && kind == OUT_SIZE)
        text_add_str(t, value_size_text(buf, n));
    else if (!out_json(o) && kind == OUT_DURATION)
        text_add_str(t, value_duration_text(buf, n));
    else
        text_addf(t, "%" PRIu64, n);
    cell_done(o);
}

void out_signed(struct out *o, int64_t n)
{
    text_addf(cell(o), "%" PRId64, n);
    cell_done(o);
}

void out_bool(struct out *o, bool b)
{
    const char *text = b ? "yes" : "no", *json = b ? "true" : "false";
    text_add_str(cell(o), out_json(o) ? json : text);
    cell_done(o);
}

void out_list(struct out *o, const void *strings, size_t stride, size_t n)
{
    struct text *t = cell(o);
    bool json = out_json(o);
    text_add_str(t, json ? "[" : "");
    for (size_t i = 0; i < n; i++) {
        const char *s =
            stride ? (const char *)strings + i * stride : ((const char *const *)strings)[i];
        text_add_str(t, i == 0 ? "" : json ? ", " : ",");
        if (json)
            json_add_bytes(t, s, strlen(s));
        else
            escape_add(t, s, strlen(s));
    }
    text_add_str(t, json ? "]" : "");
    cell_done(o);
}

void out_none(struct out *o, const char *text)
{
    text_add_str(cell(o), out_json(o) ? "null" : text);
    cell_done(o);
}

void out_end(struct out *o)
{
    o->format->end(o);
    o->columns = NULL;
}
