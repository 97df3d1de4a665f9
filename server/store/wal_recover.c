/* wal_recover.c - the log read at start, and behind the writer.
 *
 * What damage means for the partitions (struct fate, one per partition seen):
 *   a hole that names its partitions   those are damaged
 *   a hole that does not               all are suspect: the next record of a partition proves it
 *                                      unharmed when its seq follows the last one known, in
 *                                      the same epoch */
#include "store/wal_priv.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct fate {
    uint64_t key; /* 1 << 32 | context << 16 | partition; 0: free */
    uint64_t version;
    uint32_t holes; /* unattributable holes it is proven to have survived */
    bool damaged;
};

struct fates {
    struct fate *at;
    size_t len;
    size_t cap; /* a power of two */
    uint32_t holes;
};

struct recovery {
    struct wal *wal;
    const struct wal_visit *visit;
    struct wal_report *report;
    struct fates *fates;
    struct effect *effects;
    uint64_t lost_first, lost_last;
};

static uint64_t fate_key(uint32_t context, uint16_t partition)
{
    return UINT64_C(1) << 32 | (uint64_t)(context & 0xffff) << 16 | partition;
}

static struct fate *fate_slot(const struct fates *f, uint64_t key)
{
    size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (f->cap - 1);
    while (f->at[i].key && f->at[i].key != key)
        i = (i + 1) & (f->cap - 1);
    return &f->at[i];
}

static void fates_grow(struct fates *f)
{
    struct fates old = *f;
    f->cap = old.cap ? old.cap * 2 : 256;
    f->at = xcalloc(f->cap, sizeof *f->at);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.at[i].key)
            *fate_slot(f, old.at[i].key) = old.at[i];
    }
    free(old.at);
}

static struct fate *fate_of(struct recovery *r, uint32_t context, uint16_t partition)
{
    struct fates *f = r->fates;
    if (f->len * 2 >= f->cap)
        fates_grow(f);
    struct fate *fate = fate_slot(f, fate_key(context, partition));
    if (fate->key)
        return fate;
    f->len++;
    *fate = (struct fate){.key = fate_key(context, partition)};
    if (r->visit->head)
        fate->version = r->visit->head(r->visit->ctx, context, partition);
    return fate;
}

static void fate_damage(struct recovery *r, uint32_t context, uint16_t partition)
{
    struct fate *fate = fate_of(r, context, partition);
    struct wal_report *report = r->report;
    if (fate->damaged)
        return;
    fate->damaged = true;
    report->damaged = xrealloc(report->damaged, report->damaged_len + 1, sizeof *report->damaged);
    report->damaged[report->damaged_len++] = (struct wal_place){context, partition};
}

bool wal_report_damaged(const struct wal_report *r, uint32_t context, uint16_t partition)
{
    const struct fates *f = r->proven;
    const struct fate *fate = f && f->cap ? fate_slot(f, fate_key(context, partition)) : NULL;
    if (fate && fate->key && fate->damaged)
        return true;
    return r->unattributable && !(fate && fate->key && fate->holes == f->holes);
}

void wal_report_release(struct wal_report *r)
{
    struct fates *f = r->proven;
    if (f)
        free(f->at);
    free(f);
    free(r->damaged);
    *r = (struct wal_report){0};
}

/* --- recovery --------------------------------------------------------------------------------- */

static void lost_note(struct recovery *r, uint64_t first, uint64_t last)
{
    if (!r->lost_first)
        r->lost_first = first;
    if (last > r->lost_last)
        r->lost_last = last;
    r->report->lost_records += last - first + 1;
    struct wal *w = r->wal;
    if (w->lost_len && w->lost[w->lost_len - 1].last + 1 == first) {
        w->lost[w->lost_len - 1].last = last;
        return;
    }
    if (w->lost_len == w->lost_cap) {
        w->lost_cap = w->lost_cap ? w->lost_cap * 2 : 16;
        w->lost = xrealloc(w->lost, w->lost_cap, sizeof *w->lost);
    }
    w->lost[w->lost_len++] = (struct lost){first, last};
}

/* Recovery told all of it. */
static bool lost_known(const struct wal *w, uint64_t first, uint64_t last)
{
    for (size_t i = 0; i < w->lost_len; i++)
        if (first >= w->lost[i].first && last <= w->lost[i].last)
            return true;
    return false;
}

static void hole_all(struct recovery *r)
{
    r->report->unattributable = true;
    r->fates->holes++;
}

static void visit_lost(struct recovery *r, const struct wal_item *item)
{
    lost_note(r, item->lsn, item->last_lsn);
    for (size_t i = 0; i < item->places_len; i++)
        fate_damage(r, item->places[i].context, item->places[i].partition);
    if (!item->places_len)
        hole_all(r);
}

static void visit_record(struct recovery *r, const struct wal_item *item)
{
    struct record rec;
    if (record_decode(item->payload, r->effects, RECORD_EFFECTS_MAX, &rec) ||
        rec.context != item->context || rec.partition != item->partition) {
        lost_note(r, item->lsn, item->lsn);
        fate_damage(r, item->context, item->partition);
        return;
    }
    struct fate *fate = fate_of(r, rec.context, rec.partition);
    if (record_wipes(&rec)) { /* what was before does not matter */
        fate->holes = r->fates->holes;
        fate->damaged = false;
    }
    if (fate->holes < r->fates->holes && !fate->damaged) {
        if (version_follows(fate->version, rec.version))
            fate->holes = r->fates->holes;
        else
            fate_damage(r, rec.context, rec.partition);
    }
    fate = fate_of(r, rec.context, rec.partition);
    fate->version = rec.version;
    if (fate->damaged)
        return;
    r->report->records++;
    if (r->visit->record)
        r->visit->record(r->visit->ctx, &rec, item->lsn);
}

static void report_say(struct recovery *r)
{
    struct wal_report *p = r->report;
    size_t n = 0;
    if (r->lost_first)
        n += (size_t)snprintf(p->text, sizeof p->text,
                              "%" PRIu64 " durable records (lsn %" PRIu64 "..%" PRIu64
                              ") of %.200s cannot be read: ",
                              p->lost_records, r->lost_first, r->lost_last, r->wal->dir);
    else if (p->unattributable)
        n += (size_t)snprintf(p->text, sizeof p->text, "%.200s ends too early: ", r->wal->dir);
    else if (p->torn_bytes)
        snprintf(p->text, sizeof p->text,
                 "dropped %" PRIu64
                 " bytes behind the end of %.200s that were never acknowledged as durable",
                 p->torn_bytes, r->wal->dir);
    if (p->unattributable)
        snprintf(p->text + n, sizeof p->text - n,
                 "refusing every partition of the shard that is not proven unharmed");
    else if (r->lost_first)
        snprintf(p->text + n, sizeof p->text - n, "refusing %zu damaged partitions",
                 p->damaged_len);
}

/* Where one segment ends, the next begins; one that only the dropped tail began in begins
 * nowhere. */
static void segments_seal(struct wal *w, uint64_t last_lsn)
{
    const uint64_t end = last_lsn;
    for (size_t i = w->segments_len; i-- > 0;) {
        struct segment *s = w->segments[i];
        if (s->first_lsn > end)
            s->first_lsn = 0;
        s->last_lsn = last_lsn;
        if (s->first_lsn && s->first_lsn - 1 < last_lsn)
            last_lsn = s->first_lsn - 1;
    }
}

/* What was read may still be in the page cache alone: make sure of it before anything is built
 * on it. */
static int segments_sync(struct wal *w)
{
    int error = 0;
    for (size_t i = 0; i < w->segments_len && !error; i++)
        error = w->segments[i]->file->ops->sync(w->segments[i]->file);
    return error ? error : w->disk->ops->sync_dir(w->disk, w->dir);
}

/* `cut_off`: the log ends in damage; then nothing is moved, so that the next start finds it
 * again until it is accounted for. */
static enum grid_err recovery_end(struct wal *w, struct wal_cursor *c, bool cut_off, char *why)
{
    uint64_t last = c->expect - 1;
    uint64_t keep =
        cursor_reach(c) + 1; /* the one behind stays too: a log never ends with its last segment */
    int error = segments_sync(w);
    if (error)
        return wal_fail(w, why, "sync", "", error);
    enum grid_err err = cut_off ? GRID_OK : segments_cut(w, keep, why);
    if (err)
        return err;
    segments_seal(w, last);
    w->open_lsn = w->next_lsn = last + 1;
    w->open_number = w->next_number;
    w->written_lsn = last;
    atomic_store(&w->durable_lsn, last);
    w->recovered = true;
    return GRID_OK;
}

static enum grid_err cursor_fail(const struct wal_cursor *c, enum grid_err err, char *why)
{
    if (err == GRID_ENEWER)
        wal_say(why, "%s was written by a newer version; run that version", c->wal->dir);
    else
        (void)wal_fail(c->wal, why, "read", "", c->error);
    return err;
}

/* What cannot be read is met again. */
static enum grid_err survey(struct wal *w, uint64_t from_lsn, const struct wal_visit *visit)
{
    struct wal_cursor c;
    struct wal_item item;
    struct record head;
    enum grid_err err;
    cursor_init(&c, w, from_lsn);
    while (!(err = cursor_next(&c, &item)))
        if (!item.lost && record_peek(item.payload, &head))
            visit->survey(visit->ctx, &head, item.lsn);
    cursor_release(&c);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

enum grid_err wal_recover(struct wal *w, uint64_t from_lsn, const struct wal_visit *visit,
                          char *why, struct wal_report *report)
{
    CHECK(!w->recovered);
    struct recovery r = {.wal = w, .visit = visit, .report = report};
    struct wal_cursor c;
    struct wal_item item;
    report->proven = r.fates = xcalloc(1, sizeof *r.fates);
    r.effects = xcalloc(RECORD_EFFECTS_MAX, sizeof *r.effects);
    cursor_init(&c, w, from_lsn);
    enum grid_err err = visit->survey ? survey(w, from_lsn, visit) : GRID_OK;
    while (!err && !(err = cursor_next(&c, &item))) {
        if (item.lost)
            visit_lost(&r, &item);
        else
            visit_record(&r, &item);
    }
    if (err == GRID_ENOT_FOUND) {
        bool cut_off = cursor_end_is_damage(&c) || cursor_start_is_missing(&c, from_lsn) ||
                       w->foreign || c.seen < from_lsn;
        if (cut_off)
            hole_all(&r);
        err = recovery_end(w, &c, cut_off, why);
    } else {
        err = cursor_fail(&c, err, why);
    }
    report->last_lsn = c.expect - 1;
    report->torn_bytes = c.torn_bytes;
    report->repaired = c.repaired;
    report_say(&r);
    cursor_release(&c);
    free(r.effects);
    return err;
}

/* --- reading behind the writer ---------------------------------------------------------------- */

struct wal_reader {
    struct wal_cursor cursor;
};

struct wal_reader *wal_reader_new(struct wal *w, uint64_t after_lsn)
{
    CHECK(w->recovered);
    struct wal_reader *r = xalloc(sizeof *r);
    cursor_init(&r->cursor, w, after_lsn);
    r->cursor.bound = r->cursor.durable = 0;
    return r;
}

struct wal_reader *wal_reader_open(struct wal *w, uint64_t after_lsn, uint64_t lsn)
{
    CHECK(lsn <= wal_durable(w));
    struct wal_reader *r = wal_reader_new(w, after_lsn);
    r->cursor.bound = r->cursor.durable = lsn;
    r->cursor.claims_read = true;
    return r;
}

void wal_reader_bound(struct wal_reader *r, uint64_t lsn)
{
    CHECK(lsn <= wal_durable(r->cursor.wal));
    cursor_refresh(&r->cursor);
    r->cursor.bound = r->cursor.durable = lsn;
    r->cursor.claims_read = true;
}

enum grid_err wal_reader_next(struct wal_reader *r, char *why, struct wal_item *ret_item)
{
    enum grid_err err = cursor_next(&r->cursor, ret_item);
    if (!err)
        ret_item->known = lost_known(r->cursor.wal, ret_item->lsn, ret_item->last_lsn);
    return err && err != GRID_ENOT_FOUND ? cursor_fail(&r->cursor, err, why) : err;
}

void wal_reader_free(struct wal_reader *r)
{
    if (!r)
        return;
    cursor_release(&r->cursor);
    free(r);
}
