/* raft.c - making an engine, the one call, and what each step ends with.
 *
 * A step changes memory first. Its end looks at what changed: what must be written becomes one
 * transaction (C1); the leader's appends, which need not wait for its own disk, and what the disk
 * has made true go out as messages; what is committed and on disk is applied. */
#include "raft/raft_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

/* --- making one ------------------------------------------------------------------------------- */

static void conf_defaults(struct raft_conf *c)
{
#define DEFAULT(field, value) c->field = c->field ? c->field : (value)
    DEFAULT(heartbeat_ms, 100);
    DEFAULT(election_ms_min, 4 * c->heartbeat_ms);
    DEFAULT(election_ms_max, 2 * c->election_ms_min);
    DEFAULT(append_bytes_max, 256u << 10);
    DEFAULT(window_bytes_max, 4u << 20);
    DEFAULT(window_entries_max, 4096);
    DEFAULT(chunk_bytes, 256u << 10);
    DEFAULT(snapshot_bytes_max, 256u << 20);
    DEFAULT(command_bytes_max, 16u << 20);
    DEFAULT(pending_bytes_max, 64u << 20);
    DEFAULT(reads_max, 4096);
    DEFAULT(snapshot_entries, 10000);
    DEFAULT(snapshot_bytes, 16u << 20);
    DEFAULT(keep_entries, 2000);
#undef DEFAULT
    CHECK(c->self && c->election_ms_min > c->heartbeat_ms);
    CHECK(c->election_ms_max > c->election_ms_min);
}

void raft_found(const struct raft_membership *members, struct slice data,
                struct raft_stored *ret_stored)
{
    CHECK(raft_membership_valid(members));
    *ret_stored = (struct raft_stored){
        .term = 1, .snapshot = {.index = 1, .term = 1, .membership = *members, .data = data}};
}

static bool stored_valid(const struct raft_stored *d)
{
    const struct raft_snapshot *s = &d->snapshot;
    uint64_t index = s->index, term = d->entries_len ? 1 : s->term;
    if (!index != !s->term || (index && !raft_membership_valid(&s->membership)))
        return false;
    if (d->entries_len && (!d->entries[0].index || d->entries[0].index > index + 1))
        return false;
    for (size_t i = 0; i < d->entries_len; i++) {
        const struct raft_entry *e = &d->entries[i];
        struct raft_membership m;
        if (e->index != d->entries[0].index + i || e->term < term ||
            (e->index == index && e->term != s->term) ||
            (e->index == index + 1 && e->term < s->term) ||
            (e->kind == RAFT_ENTRY_MEMBERSHIP && !raft_membership_decode(e->data, &m)))
            return false;
        term = e->term;
    }
    bool reaches = !d->entries_len || d->entries[d->entries_len - 1].index >= index;
    return reaches && d->term >= term && d->term >= s->term && d->term <= RAFT_NUMBER_MAX;
}

/* Of entries behind the snapshot's index the first stands for the base: what was before it is not
 * known. Those that the snapshot has change no membership. */
static void log_load(struct raft *r, const struct raft_stored *d)
{
    const struct raft_snapshot *s = &d->snapshot;
    struct raft_membership none = {0};
    bool older = d->entries_len && d->entries[0].index <= s->index;
    journal_init(&r->log, older ? d->entries[0].index : s->index,
                 older ? d->entries[0].term : s->term, 0, s->index ? &s->membership : &none);
    r->log.marks[0].index = s->index;
    for (size_t i = older; i < d->entries_len; i++) {
        struct raft_entry e = d->entries[i];
        journal_append(&r->log, &e, 0);
        if (e.index <= s->index)
            r->log.marks_len = 1;
    }
    journal_written(&r->log, 0);
}

enum grid_err raft_new(const struct raft_conf *conf, const struct raft_stored *disk, msec_t now,
                       struct raft **ret_raft)
{
    if (!stored_valid(disk))
        return GRID_ECORRUPT;
    struct raft *r = xcalloc(1, sizeof *r);
    r->conf = *conf;
    conf_defaults(&r->conf);
    r->prng.state = conf->seed ^ (uint64_t)conf->self << 32;
    r->now = now;
    r->term = disk->term;
    r->vote = disk->vote;
    const struct raft_snapshot *s = &disk->snapshot;
    if (s->index)
        r->snapshot = snapshot_new(s->index, s->term, &s->membership, s->data);
    log_load(r, disk);
    r->commit = r->applied = s->index;
    election_reset(r);
    const struct raft_membership *m = raft_members(r);
    if (m->voters_len == 1 && m->voters[0] == r->conf.self)
        r->election_at = now; /* nobody else can be the leader */
    *ret_raft = r;
    return GRID_OK;
}

void raft_free(struct raft *r)
{
    if (!r)
        return;
    lead_leave(r);
    snapshot_forget_incoming(r);
    snapshot_unref(r->snapshot);
    snapshot_unref(r->restore);
    snapshot_unref(r->lent);
    journal_release(&r->log);
    free(r->reads);
    free(r->out);
    free(r->done);
    free(r->failed);
    free(r);
}

/* --- what the other files change -------------------------------------------------------------- */

const struct raft_membership *raft_members(const struct raft *r)
{
    if (SABOTAGE(MEMBERS_WHEN_COMMITTED))
        return &journal_members_at(&r->log, r->commit)->membership;
    return &journal_members(&r->log)->membership;
}

struct raft_message *raft_send(struct raft *r, enum raft_message_kind kind, uint32_t to)
{
    if (r->out_len == r->out_cap) {
        r->out_cap = r->out_cap ? 2 * r->out_cap : 16;
        r->out = xrealloc(r->out, r->out_cap, sizeof *r->out);
    }
    struct raft_message *m = &r->out[r->out_len++];
    *m = (struct raft_message){.kind = kind, .from = r->conf.self, .to = to, .term = r->term};
    return m;
}

void raft_append(struct raft *r, uint64_t term, enum raft_entry_kind kind, struct slice data)
{
    struct raft_entry e = {.term = term, .kind = kind, .data = data};
    journal_append(&r->log, &e, r->writes + 1);
    r->write_due = true;
    if (!r->write_from)
        r->write_from = journal_last(&r->log);
    if (kind == RAFT_ENTRY_MEMBERSHIP)
        r->changed = true;
}

void raft_cut(struct raft *r, uint64_t from)
{
    CHECK(from > r->commit);
    journal_cut(&r->log, from);
    r->write_due = true;
    if (!r->write_cut || from < r->write_cut)
        r->write_cut = from;
    if (r->write_from >= from)
        r->write_from = 0;
    r->changed = true; /* a membership may be the older one again */
}

void raft_set_term(struct raft *r, uint64_t term, uint32_t vote)
{
    r->term = term;
    r->vote = vote;
    r->vote_write = r->writes + 1;
    r->vote_owed = false;
    r->write_due = true;
    r->changed = true;
}

void raft_commit(struct raft *r, uint64_t upto)
{
    if (upto <= r->commit)
        return;
    uint64_t members = journal_members(&r->log)->index;
    r->changed |= members > r->commit && members <= upto;
    r->commit = upto;
}

void raft_become(struct raft *r, enum raft_role role, uint32_t leader)
{
    if (r->role == RAFT_LEADER && role != RAFT_LEADER)
        lead_leave(r);
    if (r->role != role || r->leader != leader)
        r->changed = true;
    r->role = role;
    r->leader = leader;
}

uint64_t raft_quorum(const struct raft *r, uint64_t (*of)(const struct raft *r, uint32_t voter))
{
    const struct raft_membership *m = raft_members(r);
    uint64_t values[RAFT_MEMBERS_MAX];
    unsigned len = 0;
    for (unsigned i = 0; i < m->voters_len + (SABOTAGE(LEARNERS_COUNT) ? m->learners_len : 0u);
         i++) {
        uint64_t v = of(r, i < m->voters_len ? m->voters[i] : m->learners[i - m->voters_len]);
        unsigned at = len++;
        for (; at && values[at - 1] < v; at--)
            values[at] = values[at - 1];
        values[at] = v;
    }
    return len ? values[SABOTAGE(MINORITY) ? (len - 1) / 2 : len / 2] : 0;
}

/* --- the call --------------------------------------------------------------------------------- */

static void receive(struct raft *r, const struct raft_message *m)
{
    static void (*const handlers[])(struct raft *, const struct raft_message *) = {
        [RAFT_MESSAGE_PREVOTE] = election_prevote,
        [RAFT_MESSAGE_PREVOTE_REPLY] = election_reply,
        [RAFT_MESSAGE_VOTE] = election_vote,
        [RAFT_MESSAGE_VOTE_REPLY] = election_reply,
        [RAFT_MESSAGE_APPEND] = follow_append,
        [RAFT_MESSAGE_APPEND_REPLY] = lead_reply,
        [RAFT_MESSAGE_SNAPSHOT] = snapshot_receive,
        [RAFT_MESSAGE_SNAPSHOT_REPLY] = snapshot_reply,
        [RAFT_MESSAGE_TIMEOUT_NOW] = election_timeout_now,
    };
    if (!message_valid(r, m)) {
        r->dropped++;
        return;
    }
    bool request = m->kind == RAFT_MESSAGE_APPEND || m->kind == RAFT_MESSAGE_SNAPSHOT ||
                   m->kind == RAFT_MESSAGE_TIMEOUT_NOW;
    bool vote = m->kind == RAFT_MESSAGE_VOTE || m->kind == RAFT_MESSAGE_PREVOTE;
    bool prevoted = m->kind == RAFT_MESSAGE_PREVOTE_REPLY && m->ok; /* that term is not begun */
    if (!vote && !prevoted && m->term > r->term)
        election_follow(r, m->term, 0);
    if (request && m->term < r->term) {
        follow_refuse(r, m);
        return;
    }
    if (request || vote || prevoted || m->term == r->term || SABOTAGE(STALE_REPLIES))
        handlers[m->kind](r, m);
}

static void written(struct raft *r, uint64_t upto)
{
    CHECK(upto <= r->writes);
    if (upto <= r->written)
        return;
    r->written = upto;
    r->disk_moved_at = r->now;
    journal_written(&r->log, upto);
    election_written(r);
}

static void begin(struct raft *r, msec_t now)
{
    if (now > r->now)
        r->now = now;
    r->out_len = r->done_len = r->failed_len = 0;
    r->write_due = r->write_snapshot = r->changed = r->beat = false;
    r->write_drop = r->write_cut = r->write_from = 0;
    snapshot_unref(r->lent);
    r->lent = NULL;
}

static enum raft_refusal dispatch(struct raft *r, const struct raft_event *ev)
{
    switch (ev->kind) {
    case RAFT_EVENT_TICK:
        break; /* as after any event */
    case RAFT_EVENT_RECEIVE:
        receive(r, ev->message);
        break;
    case RAFT_EVENT_PERSISTED:
        written(r, ev->written);
        break;
    case RAFT_EVENT_SUBMIT:
        return ask_submit(r, ev);
    case RAFT_EVENT_CHANGE:
        return ask_change(r, ev);
    case RAFT_EVENT_TRANSFER:
        return ask_transfer(r, ev->node);
    case RAFT_EVENT_CLOSED:
        election_closed(r, ev->node);
        break;
    case RAFT_EVENT_READ:
        read_add(r, ev->read);
        break;
    case RAFT_EVENT_SNAPSHOT_MADE:
        snapshot_made(r, ev->index, ev->data);
        break;
    }
    return RAFT_ACCEPTED;
}

/* C1: what the step has changed on disk is one transaction. */
static void end_persist(struct raft *r, struct raft_persist *p)
{
    if (!r->write_due)
        return;
    if (r->writes == r->written)
        r->disk_moved_at = r->now;
    *p = (struct raft_persist){
        .number = ++r->writes,
        .term = r->term,
        .vote = SABOTAGE(VOTE_NOT_WRITTEN) ? 0 : r->vote,
        .snapshot = r->write_snapshot ? &r->snapshot->s : NULL,
        .drop_to = r->write_drop,
        .cut_from = r->write_cut,
    };
    if (r->write_from) {
        p->entries = journal_at(&r->log, r->write_from);
        p->entries_len = (size_t)(journal_last(&r->log) - r->write_from + 1);
    }
}

/* C1: applied is what is committed and on this disk. */
static void end_apply(struct raft *r, struct raft_update *u)
{
    if (r->restore && r->restore_write <= r->written) {
        r->lent = r->restore;
        r->restore = NULL;
        r->applied = r->lent->s.index;
        u->restore = &r->lent->s;
    }
    uint64_t upto = r->commit < r->log.stable ? r->commit : r->log.stable;
    if (SABOTAGE(APPLY_UNCOMMITTED))
        upto = r->log.stable;
    if (r->restore || upto <= r->applied)
        return;
    u->committed = journal_at(&r->log, r->applied + 1);
    u->committed_len = (size_t)(upto - r->applied);
    r->changed |= r->role == RAFT_LEADER && r->applied < r->first && upto >= r->first;
    r->applied = upto;
}

void raft_step(struct raft *r, const struct raft_event *ev, struct raft_update *ret_update)
{
    struct raft_update *u = ret_update;
    begin(r, ev->now);
    uint64_t last = journal_last(&r->log);
    *u = (struct raft_update){.refused = dispatch(r, ev)};
    bool asked = ev->kind == RAFT_EVENT_SUBMIT || ev->kind == RAFT_EVENT_CHANGE;
    if (asked && journal_last(&r->log) > last) {
        u->index = last + 1;
        u->term = r->term;
    }
    if (r->role == RAFT_LEADER)
        lead_tick(r);
    else
        election_tick(r);
    if (r->role == RAFT_LEADER)
        lead_commit(r);
    if (r->role == RAFT_LEADER)
        lead_end(r);
    else
        follow_end(r);
    end_persist(r, &u->persist);
    end_apply(r, u);
    read_end(r);
    u->messages = r->out;
    u->messages_len = r->out_len;
    u->reads = r->done;
    u->reads_len = r->done_len;
    u->reads_failed = r->failed;
    u->reads_failed_len = r->failed_len;
    u->changed = r->changed;
    u->snapshot_wanted = snapshot_wanted(r);
}

/* --- looking ---------------------------------------------------------------------------------- */

static msec_t wake(const struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return r->election_at;
    msec_t at = r->beat_at;
    msec_t quorum_at = lead_quorum_heard(r) + r->conf.election_ms_max + 1;
    if (quorum_at < at && !SABOTAGE(NO_CHECK_QUORUM))
        at = quorum_at;
    if (r->transfer && r->transfer_until < at)
        at = r->transfer_until;
    return at;
}

struct raft_view raft_view(const struct raft *r)
{
    const struct mark *mark = journal_members(&r->log);
    return (struct raft_view){
        .role = r->role,
        .term = r->term,
        .leader = r->leader,
        .ready = r->role == RAFT_LEADER && r->applied >= r->first,
        .transfer = r->transfer,
        .last = journal_last(&r->log),
        .commit = r->commit,
        .applied = r->applied,
        .stable = r->log.stable,
        .snapshot = snapshot_index(r),
        .dropped = r->dropped,
        .wake = wake(r),
        .members = &mark->membership,
        .members_committed = mark->index <= r->commit,
    };
}

bool raft_progress(const struct raft *r, uint32_t node, struct raft_progress *ret_progress)
{
    for (unsigned i = 0; r->role == RAFT_LEADER && i < r->peers_len; i++) {
        const struct peer *p = &r->peers[i];
        if (p->id != node)
            continue;
        *ret_progress = (struct raft_progress){p->match, p->heard, p->mode == PEER_SNAPSHOT};
        return true;
    }
    return false;
}

static void peer_check(const struct raft *r, const struct peer *p)
{
    CHECK(p->id != r->conf.self && p->match <= journal_last(&r->log));
    CHECK(p->next > p->match && p->next <= journal_last(&r->log) + 1);
    CHECK((p->mode == PEER_SNAPSHOT) == (p->snapshot != NULL));
    CHECK(p->round <= r->round);
}

void raft_check(const struct raft *r)
{
    journal_check(&r->log);
    CHECK(r->applied <= r->commit && r->commit <= journal_last(&r->log));
    CHECK(r->log.base <= snapshot_index(r) && snapshot_index(r) <= r->commit);
    CHECK(r->restore || r->applied >= snapshot_index(r));
    CHECK(r->restore || r->log.stable >= r->applied);
    CHECK(r->term >= journal_last_term(&r->log) && r->written <= r->writes);
    CHECK(journal_members(&r->log)->index <= journal_last(&r->log));
    if (r->role == RAFT_LEADER) {
        CHECK(r->leader == r->conf.self && r->vote == r->conf.self);
        CHECK(r->vote_write <= r->written || SABOTAGE(OWN_VOTE_BEFORE_DISK));
        for (unsigned i = 0; i < r->peers_len; i++)
            peer_check(r, &r->peers[i]);
    } else {
        CHECK(!r->transfer && !r->reads_len && !r->peers_len);
    }
    CHECK(r->role == RAFT_FOLLOWER || r->role == RAFT_LEADER || !r->leader);
    CHECK(!r->incoming || r->incoming->data.len <= r->incoming->total);
}
