/* maps.h - what tests of maps share: a page of three entries, and what a map says of it. */
#ifndef GRIDD_TESTS_COMPUTE_MAPS_H
#define GRIDD_TESTS_COMPUTE_MAPS_H

#include "base/codec.h"
#include "compute/map.h"
#include "shard/snapshot.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static void page_add(struct buf *page, const char *key, const char *value, uint64_t version)
{
    struct snapshot_row row = {
        .version = version, .value_len = (uint32_t)strlen(value), .key_len = (uint16_t)strlen(key)};
    buf_add(page, &row, sizeof row);
    buf_add(page, key, row.key_len);
    buf_add(page, value, row.value_len);
}

static void page_make(struct buf *page)
{
    page->len = 0;
    page_add(page, "a1", "10", 4);
    page_add(page, "b1", "-3", 5);
    page_add(page, "a2", "32", 6);
}

static void shown_text(const struct buf *shown, char *out)
{
    *out = '\0';
    for (size_t at = 0; at < shown->len;) {
        size_t key = load_u32(shown->data + at), value = load_u32(shown->data + at + 4);
        const char *text = (const char *)shown->data + at + 8;
        out += sprintf(out, "%.*s=%.*s;", (int)key, text, (int)value, text + key);
        at += 8 + key + value;
    }
}

/* A machine that has begun that map. */
static struct map_machine *machine(const char *name, const char *arg);

/* Two machines, each with a page, and what they emitted combined by a third. */
static void map_says(const char *name, const char *arg, const char *want)
{
    struct buf page = BUF_INIT, emitted = BUF_INIT, shown = BUF_INIT;
    struct map_machine *all = machine(name, arg);
    char text[512];
    page_make(&page);
    for (int i = 0; i < 2; i++) {
        struct map_machine *m = machine(name, arg);
        emitted.len = 0;
        ck_assert_msg(!map_page(m, buf_slice(&page)), "%s: %.*s", name, (int)map_fault(m).len,
                      (const char *)map_fault(m).data);
        ck_assert_int_eq(map_take(m, &emitted), GRID_OK);
        ck_assert_int_eq(map_merge(all, buf_slice(&emitted)), GRID_OK);
        map_machine_free(m);
    }
    ck_assert_int_eq(map_finish(all, &shown), GRID_OK);
    shown_text(&shown, text);
    ck_assert_msg(strcmp(text, want) == 0, "%s: %s, not %s", name, text, want);
    map_machine_free(all);
    buf_release(&page);
    buf_release(&emitted);
    buf_release(&shown);
}

/* The machine has failed at a page so, and says so; its fault is the text then. */
enum { MAP_FAULT_BYTES = 4096 + 1 };
static void map_failed(struct map_machine *m, const char *name, enum grid_err want,
                       const char *says, char text[MAP_FAULT_BYTES])
{
    struct buf page = BUF_INIT;
    page_make(&page);
    enum grid_err err = map_page(m, buf_slice(&page));
    ck_assert_msg(err == want, "%s: %d", name, err);
    struct slice fault = map_fault(m);
    memset(text, 0, MAP_FAULT_BYTES);
    memcpy(text, fault.data ? (const void *)fault.data : "", fault.len);
    ck_assert_msg(strstr(text, says), "%s: %s", name, text);
    buf_release(&page);
}

#endif
