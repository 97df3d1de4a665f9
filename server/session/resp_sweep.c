/* resp_sweep.c - pages of keys, from many partitions at once. */
#include "session/resp_sweep.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { KEY_HEAD_BYTES = 3 };

void sweep_init(struct sweep *w, uint32_t partitions, uint32_t at, uint64_t number)
{
    *w = (struct sweep){.partitions = partitions, .at = at, .number = number};
}

static void pages_release(struct sweep *w)
{
    for (uint32_t i = 0; i < w->pages_len; i++)
        buf_release(&w->pages[i].keys);
    free(w->pages);
    w->pages = NULL;
    w->pages_len = 0;
}

void sweep_release(struct sweep *w)
{
    pages_release(w);
}

static void page_fill(struct sweep_page *page, const struct result *res)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < res->items_len; i++)
        bytes += KEY_HEAD_BYTES + res->items[i].key.len;
    buf_reserve(&page->keys, bytes + 1);
    for (uint32_t i = 0; i < res->items_len; i++) {
        const struct scan_item *item = &res->items[i];
        buf_add_u8(&page->keys, item->type);
        buf_add_u16(&page->keys, (uint16_t)item->key.len);
        buf_add(&page->keys, item->key.data, item->key.len);
    }
    page->len = res->items_len;
    page->next = (uint64_t)res->number;
}

static void sweep_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                         uint32_t part, const struct result *res)
{
    struct sweep *w = slot->state;
    if (res->status && !w->err)
        w->err = res->status;
    if (!res->status)
        page_fill(&w->pages[part], res);
    if (--slot->left)
        return;
    slot->state = NULL; /* the job's, not the slot's */
    resp_open(r, number);
    resp_close(r, number);
}

static void sweep_keep(void *state)
{
    (void)state; /* the job releases it */
}

bool sweep_ask(struct resp_session *r, struct sweep *w, uint32_t pages, uint32_t limit,
               struct slice prefix)
{
    uint32_t len = w->partitions - w->at;
    len = len < pages ? len : pages;
    CHECK(len > 0 && len <= SWEEP_PAGES_MAX);
    struct op *ops = arena_calloc(r->base.arena, len, sizeof *ops);
    if (!ops)
        return false;
    pages_release(w);
    w->pages = xcalloc(len, sizeof *w->pages);
    w->pages_len = len;
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = sweep_result;
    slot->state = w;
    slot->state_free = sweep_keep;
    slot->left = len;
    for (uint32_t i = 0; i < len; i++) {
        ops[i] = (struct op){
            .kind = OP_SCAN,
            .keys_only = true,
            .numbered = true,
            .cache = r->cache,
            .partition = (uint16_t)(w->at + i),
            .limit = limit < SCAN_LIMIT_MAX ? limit : SCAN_LIMIT_MAX,
            .prefix = prefix.len <= KEY_BYTES_MAX ? prefix : slice_make(NULL, 0),
            .number_cursor = i ? 0 : w->number,
        };
        session_submit(&r->base, &ops[i], session_ticket(&r->base, number, i));
    }
    return true;
}

bool sweep_key(const struct sweep_page *page, size_t *at, struct slice *ret_key,
               enum value_type *ret_type)
{
    if (*at >= page->keys.len)
        return false;
    const uint8_t *s = page->keys.data + *at;
    *ret_type = (enum value_type)s[0];
    *ret_key = slice_make(s + KEY_HEAD_BYTES, load_u16(s + 1));
    *at += KEY_HEAD_BYTES + ret_key->len;
    return true;
}

void sweep_move(struct sweep *w, uint32_t pages)
{
    CHECK(pages > 0 && pages <= w->pages_len);
    uint64_t next = w->pages[pages - 1].next;
    w->at += pages - (next != 0);
    w->number = next;
}
