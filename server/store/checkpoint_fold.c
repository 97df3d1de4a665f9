/* checkpoint_fold.c - from the log into the store.
 *
 *   records --> changes of keys, sessions, heads --> sort, keep the last --> one transaction
 *
 * Rows are written in their order, so that neighbours share pages. A fold is one such
 * transaction; what it keeps is in memory that the next one uses again. Heads are read when a
 * partition is first met. Records of a damaged partition are folded in like others: what is
 * readable is kept for the operator who gives the rest up. */
#include "store/notes_priv.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/prefetch.h"
#include "data/fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CHANGES_DEFAULT = 500000,
    BYTES_DEFAULT = 64 << 20,
    AHEAD = 8,       /* changes that are fetched from memory before they are written */
    BASES_SHARE = 4, /* bytes of rows read to be edited may be so many times those of records */
};

/* What hangs on a partition besides its head. */
static const enum kv_table wiped_tables[] = {KV_ENTRIES, KV_PARTS, KV_SESSIONS};

struct fold_head {
    uint32_t key; /* context, partition */
    bool used;
    bool hurt;   /* found damaged in this transaction */
    bool looked; /* a copy was coming in: entries are counted by their rows, not by effects */
    struct head_row row;
};

struct fold {
    struct checkpoint *cp;
    struct kv *kv;
    const struct checkpoint_limits *limits;
    struct kv_txn *txn;
    struct notes changes, sessions;
    struct fold_head *heads; /* by hash, linear probing */
    size_t heads_len, heads_cap;
    struct kept kept; /* what they note */
    struct effect *effects;
    struct rows rows;
    struct bases bases;
    struct change *run; /* changes of one key */
    size_t run_cap;
    struct session_change *session_run; /* of one session */
    size_t session_run_cap;
    uint64_t parts_place; /* where the last change was; UINT64_MAX: nowhere */
    bool parts_there;     /* and whether entries there have parts */
    uint64_t lsn;
    uint64_t records;
};

/* --- its memory ------------------------------------------------------------------------------- */

/* Ready for another transaction: its memory stays. */
static void fold_clear(struct fold *f)
{
    kept_clear(&f->kept);
    for (size_t i = 0; i < f->heads_cap; i++)
        head_row_release(&f->heads[i].row);
    if (f->heads_cap)
        memset(f->heads, 0, f->heads_cap * sizeof *f->heads);
    bases_clear(&f->bases);
    f->heads_len = f->changes.len = f->sessions.len = 0;
    f->records = 0;
}

void fold_free(struct fold *f)
{
    if (!f)
        return;
    fold_clear(f);
    kept_release(&f->kept);
    notes_release(&f->changes);
    notes_release(&f->sessions);
    free(f->heads);
    free(f->effects);
    rows_release(&f->rows);
    free(f->bases.slots);
    free(f->run);
    free(f->session_run);
    free(f);
}

/* --- heads ------------------------------------------------------------------------------------ */

static struct fold_head *head_slot(const struct fold *f, uint32_t key)
{
    size_t i = key * UINT32_C(0x9e3779b1) >> 7 & (f->heads_cap - 1);
    while (f->heads[i].used && f->heads[i].key != key)
        i = (i + 1) & (f->heads_cap - 1);
    return &f->heads[i];
}

static void heads_grow(struct fold *f)
{
    struct fold_head *old = f->heads;
    size_t cap = f->heads_cap;
    f->heads_cap = cap ? cap * 2 : 256;
    f->heads = xcalloc(f->heads_cap, sizeof *f->heads);
    for (size_t i = 0; i < cap; i++) {
        if (old[i].used)
            *head_slot(f, old[i].key) = old[i];
    }
    free(old);
}

/* The row, or one of the partition's, cannot be read. */
static void head_hurt(struct fold_head *h)
{
    h->hurt |= !h->row.damaged;
    h->row.damaged = true;
}

/* A record cannot be read. What is known was told; a copy that began before it may have undone the
 * mark. */
static void head_lost(struct fold_head *h, bool known)
{
    if (known)
        h->row.damaged = true;
    else
        head_hurt(h);
}

/* The head of a partition in this transaction. Borrowed until the next call. */
static enum grid_err head_of(struct fold *f, uint32_t context, uint16_t partition,
                             struct fold_head **ret_head)
{
    if (f->heads_len * 2 >= f->heads_cap)
        heads_grow(f);
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice row, name = head_key(bytes, context, partition);
    struct fold_head *h = head_slot(f, context << 16 | partition);
    *ret_head = h;
    if (h->used)
        return GRID_OK;
    enum grid_err err = f->kv->ops->get(f->txn, KV_HEADS, name, &row);
    if (err && err != GRID_ENOT_FOUND)
        return err;
    h->used = true;
    h->key = context << 16 | partition;
    f->heads_len++;
    if (!err && head_row_get(name, row, &h->row))
        head_hurt(h);
    return GRID_OK;
}

/* --- gathering -------------------------------------------------------------------------------- */

static bool alive(const struct fold *f, uint32_t context, uint32_t cache)
{
    return !f->limits->alive || f->limits->alive(f->limits->ctx, context, cache);
}

static void count_effect(struct head_row *h, const struct effect *e)
{
    uint64_t *count = head_row_count(h, e->cache);
    if (effect_puts(e))
        *count += e->created;
    else if (!effect_changes(e) && *count)
        --*count;
}

/* Before anything of the record is gathered: it may fail. */
static enum grid_err record_bases(struct fold *f, const struct record *r)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    enum grid_err err = GRID_OK;
    for (size_t i = 0; i < r->effects_len && !err; i++) {
        const struct effect *e = &r->effects[i];
        if (effect_changes(e) && alive(f, r->context, e->cache))
            err = bases_count(&f->bases, &f->rows,
                              entry_key(bytes, r->context, r->partition, e->cache, e->key), e);
    }
    return err;
}

/* The counts are those of before the transaction again. */
static enum grid_err counts_look(struct fold *f, struct fold_head *h)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice row, name = head_key(bytes, h->key >> 16, (uint16_t)h->key);
    struct head_row before = {0};
    if (h->looked)
        return GRID_OK;
    h->looked = true;
    h->row.len = 0;
    enum grid_err err = f->kv->ops->get(f->txn, KV_HEADS, name, &row);
    if (!err && !head_row_get(name, row, &before))
        for (size_t i = 0; i < before.len; i++)
            *head_row_count(&h->row, before.caches[i]) = before.counts[i];
    head_row_release(&before);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

static uint64_t place_of(const struct record *r, uint32_t cache)
{
    return (uint64_t)r->context << 32 | (uint64_t)r->partition << 16 | cache;
}

static void gather_effect(struct fold *f, struct fold_head *h, const struct record *r,
                          const struct effect *e)
{
    if (e->kind == EFFECT_SESSION_END || e->kind == EFFECT_SESSION)
        note_session_end(&f->sessions, &f->kept, place_of(r, 0), e);
    if (e->kind == EFFECT_COPIED)
        h->row.copying = false;
    if (!effect_has_key(e) || !alive(f, r->context, e->cache))
        return;
    if (!h->looked)
        count_effect(&h->row, e);
    note_change(&f->changes, &f->kept, place_of(r, e->cache),
                e->kind == EFFECT_ADOPT ? e->number : r->version, e);
}

static bool record_sane(const struct record *r, const struct wal_item *item)
{
    if (r->context != item->context || r->partition != item->partition)
        return false;
    for (size_t i = 0; i < r->effects_len; i++) {
        const struct effect *e = &r->effects[i];
        if (effect_has_key(e) &&
            (e->key.len == 0 || e->key.len > KEY_BYTES_MAX || e->cache > UINT16_MAX))
            return false;
    }
    return true;
}

/* Nothing is left of a partition, its damage neither; a copy follows. */
static enum grid_err place_wipe(struct fold *f, struct fold_head *h)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice prefix = head_key(bytes, h->key >> 16, (uint16_t)h->key);
    notes_forget(&f->changes, h->key);
    notes_forget(&f->sessions, h->key);
    enum grid_err err = GRID_OK;
    for (size_t i = 0; i < sizeof wiped_tables / sizeof *wiped_tables && !err; i++)
        err = rows_wipe(f->kv, f->txn, wiped_tables[i], prefix);
    h->row.len = 0;
    h->row.damaged = h->hurt = false;
    h->row.copying = h->looked = true;
    return err;
}

static enum grid_err gather(struct fold *f, const struct wal_item *item)
{
    struct fold_head *head;
    struct record r;
    if (!alive(f, item->context, UINT32_MAX))
        return GRID_OK;
    enum grid_err err = head_of(f, item->context, item->partition, &head);
    if (err)
        return err;
    err = record_decode(item->payload, f->effects, RECORD_EFFECTS_MAX, &r);
    if (err || !record_sane(&r, item)) {
        head_lost(head, item->known);
        return GRID_OK;
    }
    if (f->limits->cuts && cuts_have(f->limits->cuts, r.context, r.partition, r.version, item->lsn))
        return GRID_OK;
    err = record_bases(f, &r);
    if (err)
        return err;
    if (record_wipes(&r))
        err = place_wipe(f, head);
    else if (head->row.copying || record_mends(&r))
        err = counts_look(f, head);
    head->row.copying |= record_mends(&r);
    if (err)
        return err;
    if (r.version > head->row.version || r.restates)
        head->row.version = r.version;
    f->records++;
    for (size_t i = 0; i < r.effects_len; i++)
        gather_effect(f, head, &r, &r.effects[i]);
    if (!r.has_session)
        return GRID_OK;
    struct session_change change = {r.session, r.version, r.time_ms};
    note_session(&f->sessions, &f->kept, place_of(&r, 0), &change);
    return GRID_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static uint32_t context_of(const struct note *n)
{
    return (uint32_t)(n->place >> 32);
}

static uint16_t partition_of(const struct note *n)
{
    return (uint16_t)(n->place >> 16);
}

/* A row of the partition cannot be read. */
static enum grid_err place_hurt(struct fold *f, uint32_t context, uint16_t partition)
{
    struct fold_head *h;
    enum grid_err err = head_of(f, context, partition, &h);
    if (!err)
        head_hurt(h);
    return err;
}

/* What is changed is not there: it comes later while a copy comes in, else it is damage. */
static enum grid_err place_lacks(struct fold *f, uint32_t context, uint16_t partition)
{
    struct fold_head *h;
    enum grid_err err = head_of(f, context, partition, &h);
    return err || h->row.copying ? err : GRID_ECORRUPT;
}

/* Whether an entry at the place of the next change may have parts. */
static enum grid_err parts_look(struct fold *f, struct slice key, uint64_t place)
{
    struct slice found, row;
    struct kv_cursor *c;
    if (place == f->parts_place)
        return GRID_OK;
    enum grid_err err = f->kv->ops->cursor(f->txn, KV_PARTS, &c);
    if (err)
        return err;
    struct slice prefix = slice_make(key.data, ENTRY_PREFIX_BYTES);
    err = f->kv->ops->seek(c, prefix, &found, &row);
    f->parts_there = !err && slice_has_prefix(found, prefix);
    f->parts_place = place;
    f->kv->ops->cursor_close(c);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

static bool row_there(const struct fold *f, struct slice key)
{
    struct slice row;
    return f->kv->ops->get(f->txn, KV_ENTRIES, key, &row) == GRID_OK;
}

/* The row of `key` is, or is not, there any more. */
static enum grid_err row_count(struct fold *f, const struct note *n, struct slice key, bool before)
{
    struct fold_head *h;
    enum grid_err err = head_of(f, context_of(n), partition_of(n), &h);
    if (err || !h->looked)
        return err;
    uint64_t *count = head_row_count(&h->row, (uint16_t)n->place);
    bool after = row_there(f, key);
    if (after != before)
        *count += after ? 1 : *count ? UINT64_MAX : 0;
    return GRID_OK;
}

static bool looked(struct fold *f, const struct note *n)
{
    struct fold_head *h;
    return !head_of(f, context_of(n), partition_of(n), &h) && h->looked;
}

/* What counts of the changes of a key is in f->run: so many. */
static size_t run_read(struct fold *f, const struct note *notes, size_t n)
{
    size_t len = 0;
    for (size_t i = note_base(notes, n); i < n; i++) {
        f->run = array_grow(f->run, len, &f->run_cap, sizeof *f->run);
        note_change_get(&notes[i], &f->run[len++]);
    }
    return len;
}

static enum grid_err run_write(struct fold *f, const struct note *notes, size_t n)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    size_t len = run_read(f, notes, n);
    struct slice key = entry_key(bytes, context_of(notes), partition_of(notes),
                                 (uint16_t)notes->place, f->run->effect.key);
    enum grid_err err = parts_look(f, key, notes->place);
    bool look = looked(f, notes), before = look && row_there(f, key);
    if (!err)
        err = key_write(&f->rows, key, f->run, len, f->parts_there);
    if (!err && look)
        err = row_count(f, notes, key, before);
    if (err == GRID_ENOT_FOUND)
        err = place_lacks(f, context_of(notes), partition_of(notes));
    return err == GRID_ECORRUPT ? place_hurt(f, context_of(notes), partition_of(notes)) : err;
}

/* In the order of the keys they lie anywhere: let those that come be on their way from memory. */
static enum grid_err changes_write(struct fold *f, uint64_t *changes)
{
    const struct notes *c = &f->changes;
    enum grid_err err = GRID_OK;
    notes_sort_changes(&f->changes);
    f->parts_place = UINT64_MAX;
    for (size_t i = 0, n; i < c->len && !err; i += n) {
        for (n = 0; !n || (i + n < c->len && notes_same_key(c, i, i + n)); n++)
            notes_fetch(c, i + n + AHEAD);
        err = run_write(f, &c->items[i], n);
        ++*changes;
    }
    return err;
}

/* Fold all that happened to one session, after its last end, into its row. */
static enum grid_err session_write(struct fold *f, const struct note *notes, size_t n)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice row, stored = {NULL, 0};
    size_t len = 0;
    bool ended = false;
    for (size_t i = 0; i < n; i++) {
        f->session_run =
            array_grow(f->session_run, len, &f->session_run_cap, sizeof *f->session_run);
        bool changed = note_session_get(&notes[i], &f->session_run[len], &stored);
        ended |= !changed;
        len = changed ? len + 1 : 0;
    }
    struct session_id id;
    note_session_id(notes, &id);
    struct slice key = session_key(bytes, context_of(notes), partition_of(notes), &id);
    enum grid_err err = ended ? GRID_OK : f->kv->ops->get(f->txn, KV_SESSIONS, key, &row);
    if (!err && !ended)
        err = row_open(key, row, &stored);
    if (err == GRID_ENOT_FOUND)
        err = GRID_OK;
    if (!err && (len || stored.len)) {
        row_begin(&f->rows.row);
        err = sessions_fold(stored, f->session_run, len, &f->rows.row);
        if (!err) {
            row_seal(key, &f->rows.row);
            err = f->kv->ops->put(f->txn, KV_SESSIONS, key, buf_slice(&f->rows.row));
        }
    } else if (!err) {
        err = f->kv->ops->del(f->txn, KV_SESSIONS, key);
        err = err == GRID_ENOT_FOUND ? GRID_OK : err;
    }
    return err;
}

/* Two that begin alike may alternate: then each run of one is folded into its row for itself. */
static enum grid_err sessions_write(struct fold *f, uint64_t *changes)
{
    const struct notes *s = &f->sessions;
    enum grid_err err = GRID_OK;
    notes_sort(&f->sessions, NULL);
    for (size_t i = 0, n; i < s->len && !err; i += n) {
        const struct note *first = &s->items[i];
        for (n = 0; !n || (i + n < s->len && note_same_session(first, &first[n])); n++)
            if (i + n + AHEAD < s->len)
                prefetch(first[n + AHEAD].what);
        err = session_write(f, first, n);
        if (err == GRID_ECORRUPT)
            err = place_hurt(f, context_of(first), partition_of(first));
        ++*changes;
    }
    return err;
}

static enum grid_err heads_write(struct fold *f)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    enum grid_err err = GRID_OK;
    for (size_t i = 0; i < f->heads_cap && !err; i++) {
        const struct fold_head *h = &f->heads[i];
        if (!h->used)
            continue;
        struct slice key = head_key(bytes, h->key >> 16, (uint16_t)h->key);
        head_row_put(&f->rows.row, key, &h->row);
        err = f->kv->ops->put(f->txn, KV_HEADS, key, buf_slice(&f->rows.row));
    }
    return err;
}

static void damage_report(const struct fold *f, struct checkpoint_report *report)
{
    for (size_t i = 0; i < f->heads_cap; i++) {
        const struct fold_head *h = &f->heads[i];
        if (h->hurt && report->damaged_len < CHECKPOINT_DAMAGED_MAX)
            report->damaged[report->damaged_len++] =
                (struct wal_place){h->key >> 16, (uint16_t)h->key};
    }
}

static enum grid_err fold_commit(struct fold *f, struct checkpoint_report *report)
{
    uint64_t changes = 0;
    enum grid_err err = changes_write(f, &changes);
    if (!err)
        err = sessions_write(f, &changes);
    if (!err)
        err = heads_write(f);
    if (!err)
        err = number_put(f->txn, f->kv, "applied", f->lsn);
    if (err)
        f->kv->ops->abort(f->txn);
    else
        err = f->kv->ops->commit(f->txn);
    f->txn = NULL;
    if (!err) {
        atomic_store(&f->cp->applied_lsn, f->lsn);
        report->applied_lsn = f->lsn;
        report->records += f->records;
        report->changes += changes;
        report->transactions++;
        damage_report(f, report);
    }
    fold_clear(f);
    return err;
}

/* --- running ---------------------------------------------------------------------------------- */

/* Whose records they were is marked, like damage that recovery found. GRID_ECORRUPT: nothing tells,
 * and recovery did not. */
static enum grid_err take_lost(struct fold *f, const struct wal_item *item)
{
    struct fold_head *head;
    bool told = item->places_len || item->known || item->last_lsn <= f->limits->accounted_lsn;
    enum grid_err err = told ? GRID_OK : GRID_ECORRUPT;
    for (size_t i = 0; i < item->places_len && !err; i++) {
        const struct wal_place *place = &item->places[i];
        if (!alive(f, place->context, UINT32_MAX))
            continue;
        err = head_of(f, place->context, place->partition, &head);
        if (!err)
            head_lost(head, item->known);
    }
    return err;
}

static enum grid_err take(struct fold *f, const struct wal_item *item)
{
    CHECK(item->lsn > f->lsn);
    enum grid_err err = item->lost ? take_lost(f, item) : gather(f, item);
    if (!err)
        f->lsn = item->last_lsn;
    return err;
}

/* Read until a transaction is full. GRID_ENOT_FOUND: that was all there is. */
static enum grid_err gather_some(struct fold *f, struct wal_reader *reader,
                                 struct checkpoint_report *report)
{
    char *why = report->text;
    size_t changes_max = f->limits->changes_max ? f->limits->changes_max : CHANGES_DEFAULT;
    size_t bytes_max = f->limits->bytes_max ? f->limits->bytes_max : BYTES_DEFAULT;
    struct wal_item item;
    enum grid_err err = GRID_OK;
    while (!err && f->changes.len < changes_max && f->sessions.len < changes_max &&
           f->kept.bytes < bytes_max && f->bases.bytes / BASES_SHARE < bytes_max) {
        err = wal_reader_next(reader, why, &item);
        if (err)
            break;
        uint64_t before = f->lsn;
        err = take(f, &item);
        if (err == GRID_ECORRUPT && item.lost) {
            report->lost_first = item.lsn;
            report->lost_last = item.last_lsn;
        }
        if (err == GRID_ECORRUPT)
            snprintf(why, STORE_WHY_BYTES,
                     "the log or the store is damaged at lsn %" PRIu64
                     "; the checkpoint stays at %" PRIu64,
                     item.lsn, before);
    }
    return err;
}

static struct fold *fold_new(struct checkpoint *cp)
{
    struct fold *f = xcalloc(1, sizeof *f);
    *f = (struct fold){.cp = cp, .kv = cp->kv, .rows.kv = cp->kv};
    f->effects = xcalloc(RECORD_EFFECTS_MAX, sizeof *f->effects);
    return f;
}

void checkpoint_rest(struct checkpoint *cp)
{
    fold_free(cp->fold);
    cp->fold = NULL;
}

enum grid_err checkpoint_run(struct checkpoint *cp, struct wal_reader *reader, uint64_t upto_lsn,
                             const struct checkpoint_limits *limits,
                             struct checkpoint_report *report)
{
    static const struct checkpoint_limits none;
    struct fold *f = cp->fold = cp->fold ? cp->fold : fold_new(cp);
    f->limits = limits ? limits : &none;
    size_t whole = f->limits->whole_bytes ? f->limits->whole_bytes : WHOLE_BYTES;
    f->rows.part_bytes = (whole + WHOLE_PARTS - 1) / WHOLE_PARTS;
    enum grid_err err = GRID_OK, read = GRID_OK;
    *report = (struct checkpoint_report){.applied_lsn = checkpoint_applied(cp)};
    f->lsn = report->applied_lsn;
    wal_reader_bound(reader, upto_lsn);
    while (!err && !read && f->lsn < upto_lsn) {
        if (f->limits->stop && f->limits->stop(f->limits->ctx))
            break;
        uint64_t before = f->lsn;
        err = f->kv->ops->begin(f->kv, true, &f->txn);
        if (err)
            break;
        f->rows.txn = f->txn;
        read = gather_some(f, reader, report);
        if (f->lsn > before) {
            err = fold_commit(f, report);
        } else {
            f->kv->ops->abort(f->txn);
            fold_clear(f);
        }
    }
    f->limits = NULL; /* the caller's */
    if (err)
        snprintf(report->text, sizeof report->text,
                 "%.300s: the checkpoint stays at lsn %" PRIu64 ": %s", cp->path,
                 report->applied_lsn, err_text(err));
    return err ? err : read == GRID_ENOT_FOUND ? GRID_OK : read;
}
