/* judge.c - what must hold after every step: the five properties of figure 3.2, and the rules that
 * can be seen from outside. It believes no engine: it compares disks, messages and what is applied.
 *
 * What is committed is kept once, by index; each log is a chain of hashes, so one comparison at an
 * index is a comparison of all before it. */
#include "tests/sim/raft/world.h"

#include <stdarg.h>
#include <stdio.h>

static void tell(const struct world *w)
{
    static const char *const roles[] = {"follower", "precandidate", "candidate", "leader"};
    for (unsigned i = 0; i < NODES_MAX; i++) {
        const struct node *n = &w->nodes[i];
        const struct raft_view *v = &n->view;
        if (!n->exists)
            continue;
        printf(
            "# %2u %-12s term %lu leader %u, log %lu/%lu/%lu/%lu (snapshot, applied, commit, last)",
            n->id, n->alive ? roles[v->role] : "down", (unsigned long)v->term, v->leader,
            (unsigned long)v->snapshot, (unsigned long)v->applied, (unsigned long)v->commit,
            (unsigned long)v->last);
        for (unsigned k = 0; n->alive && k < v->members->voters_len; k++)
            printf(" %u", v->members->voters[k]);
        for (unsigned k = 0; n->alive && k < v->members->learners_len; k++)
            printf(" (%u)", v->members->learners[k]);
        printf("\n");
    }
}

void fail(struct world *w, const struct node *n, const char *fmt, ...)
{
    va_list args;
    if (w->failed)
        return;
    w->failed = true;
    int at = snprintf(w->why, sizeof w->why, "at %.3f s, node %u: ", (double)w->now_us / 1e6,
                      n ? n->id : 0);
    va_start(args, fmt);
    vsnprintf(w->why + at, sizeof w->why - (size_t)at, fmt, args);
    va_end(args);
    if (w->verbose)
        tell(w);
}

/* --- the state of the simulated service ------------------------------------------------------- */

/* index | state | padding that differs between nodes | check sum of all. */
struct slice state_bytes(struct world *w, const struct node *n)
{
    size_t len = 24 + below(w, w->mix.state_bytes + 1);
    uint8_t *p = keep(w, NULL, len);
    store_u64(p, n->applied);
    store_u64(p + 8, n->state);
    for (size_t i = 16; i < len - 8; i++)
        p[i] = (uint8_t)prng_next(&w->prng);
    store_u64(p + len - 8, hash_slice(0, slice_make(p, len - 8)));
    return slice_make(p, len);
}

const struct raft_membership *agreed_members(const struct world *w, uint64_t index)
{
    return &w->members[w->members_at[index]];
}

/* C5, C6: index, term, members and data are of one moment. */
void judge_snapshot(struct world *w, struct node *n, const struct raft_snapshot *s)
{
    if (s->index > w->committed)
        fail(w, n, "a snapshot of entry %lu, which is not committed", (unsigned long)s->index);
    else if (s->term != w->terms[s->index])
        fail(w, n, "C6: the snapshot of entry %lu has another term", (unsigned long)s->index);
    else if (!raft_membership_eq(&s->membership, agreed_members(w, s->index)))
        fail(w, n, "C5: the snapshot of entry %lu has other members", (unsigned long)s->index);
    else if (s->data.len < 24 || load_u64(s->data.data + s->data.len - 8) !=
                                     hash_slice(0, slice_make(s->data.data, s->data.len - 8)))
        fail(w, n, "C6: the snapshot of entry %lu is put together from parts",
             (unsigned long)s->index);
    else if (load_u64(s->data.data) != s->index ||
             load_u64(s->data.data + 8) != w->states[s->index])
        fail(w, n, "C6: the snapshot of entry %lu has another state", (unsigned long)s->index);
}

void judge_restore(struct world *w, struct node *n, const struct raft_snapshot *s)
{
    judge_snapshot(w, n, s);
    if (s->index <= n->applied)
        fail(w, n, "the state goes back to entry %lu", (unsigned long)s->index);
    if (n->disk.snapshot.index < s->index)
        fail(w, n, "C1: a snapshot is restored before it is on disk");
}

/* --- before and after a step ------------------------------------------------------------------ */

/* C7: in the calm, each step further back costs a term at least. What was sent ahead is refused
 * further and further to the front; a few are of what crossed on the way. */
static void judge_refusal(struct world *w, struct node *n, const struct raft_message *m)
{
    unsigned terms = 1;
    for (uint64_t t = 1; t <= m->term && t < TERMS_MAX; t++)
        terms += w->leaders[t] != 0;
    bool back = m->asked < n->refused_at[m->from - 1];
    n->refused_at[m->from - 1] = m->asked;
    if (w->answers && back && ++n->refusals[m->from - 1] > 2 * terms + 8)
        fail(w, n, "C7: node %u refuses %lu times, and there were %u leaders", m->from,
             (unsigned long)n->refusals[m->from - 1], terms);
}

void judge_before(struct world *w, struct node *n, const struct raft_event *ev)
{
    const struct raft_message *m = ev->message;
    if (ev->kind == RAFT_EVENT_CLOSED && !n->closed_ms)
        n->closed_ms = ev->now;
    if (ev->kind != RAFT_EVENT_RECEIVE)
        return;
    if (m->kind == RAFT_MESSAGE_PREVOTE_REPLY && m->ok) {
        if (m->term > n->prevote_term)
            n->prevotes = 0;
        if (m->term >= n->prevote_term) {
            n->prevote_term = m->term;
            n->prevotes |= UINT64_C(1) << m->from;
        }
    }
    if (m->kind == RAFT_MESSAGE_VOTE_REPLY && m->ok && m->term == n->view.term)
        n->votes |= UINT64_C(1) << m->from;
    bool answer = m->kind == RAFT_MESSAGE_APPEND_REPLY || m->kind == RAFT_MESSAGE_SNAPSHOT_REPLY;
    if (answer && m->term == n->view.term) {
        n->heard_ms[m->from - 1] = ev->now;
        if (m->kind == RAFT_MESSAGE_APPEND_REPLY && !m->ok) {
            w->tally.refusals++;
            judge_refusal(w, n, m);
        }
    }
    bool leads = m->kind == RAFT_MESSAGE_APPEND || m->kind == RAFT_MESSAGE_SNAPSHOT;
    if (leads && m->term >= n->view.term) {
        n->leader_heard_ms = ev->now;
        n->leader_heard_term = m->term;
        n->closed_ms = 0;
    }
    if (m->kind == RAFT_MESSAGE_VOTE && m->force)
        w->tally.forced++;
}

/* Log Matching: an index and a term name one entry, and all before it. */
static void judge_entry(struct world *w, struct node *n, const struct raft_entry *e)
{
    uint64_t chain;
    if (!store_chain(&n->mem, e->index, &chain))
        return;
    uint64_t h = mix64(e->index, e->term);
    for (;; h++) {
        struct seen *s = &w->seen[h % SEEN_SLOTS];
        if (s->seed != w->seed + 1) {
            *s = (struct seen){e->index, e->term, chain, w->seed + 1};
            return;
        }
        if (s->index != e->index || s->term != e->term)
            continue;
        if (s->chain != chain)
            fail(w, n, "Log Matching: entry %lu of term %lu is two", (unsigned long)e->index,
                 (unsigned long)e->term);
        return;
    }
}

/* C1: what a message promises is on disk when it is sent. */
static void judge_message(struct world *w, struct node *n, const struct raft_message *m)
{
    const struct store *d = &n->disk;
    uint64_t mine, theirs;
    bool granted = m->kind == RAFT_MESSAGE_VOTE_REPLY && m->ok;
    uint32_t vote = granted ? m->to : n->id;
    if ((granted || m->kind == RAFT_MESSAGE_VOTE) && (d->term != m->term || d->vote != vote))
        fail(w, n, "C1: a vote in term %lu is told and not on disk", (unsigned long)m->term);
    if (m->kind != RAFT_MESSAGE_APPEND_REPLY || !m->ok || m->index <= d->snapshot.index)
        return;
    if (!store_chain(d, m->index, &theirs) ||
        (store_chain(&n->mem, m->index, &mine) && mine != theirs))
        fail(w, n, "C1: entry %lu is acknowledged and not on disk", (unsigned long)m->index);
}

static void judge_reads(struct world *w, struct node *n, const struct raft_update *u)
{
    for (size_t i = 0; i < u->reads_len + u->reads_failed_len; i++) {
        bool done = i < u->reads_len;
        uint64_t id = done ? u->reads[i] : u->reads_failed[i - u->reads_len];
        for (unsigned j = 0; j < n->reads_len; j++) {
            if (n->reads[j].id != id)
                continue;
            if (done && n->view.applied < n->reads[j].at_least)
                fail(w, n, "a stale read: of entry %lu, and %lu was committed when it was asked",
                     (unsigned long)n->view.applied, (unsigned long)n->reads[j].at_least);
            n->reads[j] = n->reads[--n->reads_len];
            break;
        }
        w->tally.reads += done;
        w->tally.reads_failed += !done;
    }
}

void judge_update(struct world *w, struct node *n, const struct raft_update *u)
{
    const struct raft_persist *p = &u->persist;
    for (size_t i = 0; i < p->entries_len; i++) {
        const struct raft_entry *e = &p->entries[i];
        judge_entry(w, n, e);
        if (e->kind == RAFT_ENTRY_MEMBERSHIP && n->view.role == RAFT_LEADER &&
            (n->view.commit > w->committed ? n->view.term : w->terms[n->view.commit]) !=
                n->view.term)
            fail(w, n, "C3: members change before an entry of term %lu is committed",
                 (unsigned long)n->view.term);
        if (e->kind == RAFT_ENTRY_NOOP && n->view.role == RAFT_LEADER) {
            if (e->term < TERMS_MAX && w->noops[e->term])
                fail(w, n, "C9: more than one empty entry in term %lu", (unsigned long)e->term);
            w->noops[e->term % TERMS_MAX] = true;
        }
    }
    if (p->snapshot)
        judge_snapshot(w, n, p->snapshot);
    if (p->cut_from && n->view.role == RAFT_LEADER)
        fail(w, n, "Leader Append-Only: a leader cuts its log");
    judge_reads(w, n, u);
    for (size_t i = 0; i < u->messages_len; i++)
        judge_message(w, n, &u->messages[i]);
}

/* --- commit ----------------------------------------------------------------------------------- */

/* A majority of the voters has it on disk, whatever anyone believes. */
static void judge_durable(struct world *w, struct node *n, uint64_t index, uint64_t chain)
{
    const struct raft_membership *m = n->view.members;
    unsigned have = 0;
    for (unsigned i = 0; i < m->voters_len; i++) {
        const struct store *d = &w->nodes[m->voters[i] - 1].disk;
        uint64_t theirs;
        have += d->snapshot.index >= index || (store_chain(d, index, &theirs) && theirs == chain);
    }
    if (have <= m->voters_len / 2u)
        fail(w, n, "entry %lu is committed, and on the disks of %u of %u voters",
             (unsigned long)index, have, m->voters_len);
}

static void agree(struct world *w, struct node *n, uint64_t index, const struct sim_entry *e)
{
    if (index >= INDEXES_MAX) {
        fail(w, n, "the history is too long to be judged");
        return;
    }
    w->committed = index;
    w->terms[index] = e->term;
    w->committed_in[index] = n->view.term;
    w->chains[index] = e->chain;
    w->states[index] = w->states[index - 1];
    w->members_at[index] = w->members_at[index - 1];
    if (e->kind == RAFT_ENTRY_COMMAND)
        w->states[index] = hash_slice(w->states[index], e->data);
    if (e->kind == RAFT_ENTRY_MEMBERSHIP && w->members_len < 1024 &&
        raft_membership_decode(e->data, &w->members[w->members_len]))
        w->members_at[index] = (uint16_t)w->members_len++;
    w->tally.commits++;
}

static void judge_commit(struct world *w, struct node *n, uint64_t before)
{
    uint64_t upto = n->view.commit, chain;
    if (upto < before)
        fail(w, n, "the commit index goes back");
    if (upto == before)
        return;
    if (n->view.role == RAFT_LEADER && n->mem.entries[upto - n->mem.first].term != n->view.term)
        fail(w, n, "C3: entry %lu of an older term is committed by counting", (unsigned long)upto);
    if (upto > w->committed) {
        if (store_chain(&n->mem, w->committed, &chain) && chain != w->chains[w->committed])
            fail(w, n, "State Machine Safety: entry %lu is committed as another one",
                 (unsigned long)w->committed);
        for (uint64_t i = w->committed + 1; i <= upto && !w->failed; i++)
            agree(w, n, i, &n->mem.entries[i - n->mem.first]);
        if (!w->failed && store_chain(&n->mem, upto, &chain))
            judge_durable(w, n, upto, chain);
    } else if (store_chain(&n->mem, upto, &chain) && chain != w->chains[upto]) {
        fail(w, n, "State Machine Safety: entry %lu is committed as another one",
             (unsigned long)upto);
    }
}

/* --- roles ------------------------------------------------------------------------------------ */

static void judge_leader(struct world *w, struct node *n)
{
    uint64_t term = n->view.term, chain;
    if (term >= TERMS_MAX) {
        fail(w, n, "terms are begun too often");
        return;
    }
    if (w->leaders[term] && w->leaders[term] != n->id)
        fail(w, n, "Election Safety: node %u leads term %lu, too", w->leaders[term],
             (unsigned long)term);
    if (w->leaders[term] == n->id)
        return;
    w->leaders[term] = n->id;
    w->tally.elections++;
    for (unsigned i = 0; i < NODES_MAX; i++)
        n->heard_ms[i] = node_now(w, n);
    memset(n->refusals, 0, sizeof n->refusals);
    const struct raft_membership *m = n->view.members;
    unsigned votes = 0;
    for (unsigned i = 0; i < m->voters_len; i++)
        votes += m->voters[i] == n->id || (n->votes >> m->voters[i] & 1);
    if (votes <= m->voters_len / 2u)
        fail(w, n, "term %lu is led with the votes of %u of %u", (unsigned long)term, votes,
             m->voters_len);
    uint64_t must = w->committed; /* in an earlier term: it may have learnt of its votes late */
    while (must && w->committed_in[must] >= term)
        must--;
    bool has = n->mem.snapshot.index >= must ||
               (store_chain(&n->mem, must, &chain) && chain == w->chains[must]);
    if (!has)
        fail(w, n,
             "Leader Completeness: entry %lu is committed, and the leader of term %lu lacks it",
             (unsigned long)must, (unsigned long)term);
}

/* C4: a term is begun by who a majority would vote for, or whom the leader told to. */
static void judge_candidate(struct world *w, struct node *n, const struct raft_event *ev)
{
    const struct raft_membership *m = n->view.members;
    unsigned would = 0;
    if (ev->kind == RAFT_EVENT_RECEIVE && ev->message->kind == RAFT_MESSAGE_TIMEOUT_NOW)
        return;
    for (unsigned i = 0; i < m->voters_len; i++)
        would += m->voters[i] == n->id ||
                 (n->prevote_term == n->view.term && (n->prevotes >> m->voters[i] & 1));
    if (would <= m->voters_len / 2u)
        fail(w, n, "C4: term %lu is begun with the favour of %u of %u", (unsigned long)n->view.term,
             would, m->voters_len);
}

/* 6.2: who has not heard from a majority for an election's time does not lead. */
static void judge_quorum(struct world *w, struct node *n)
{
    const struct raft_membership *m = n->view.members;
    uint64_t patience = w->mix.conf.election_ms_max + 1;
    unsigned heard = 0;
    for (unsigned i = 0; i < m->voters_len; i++)
        heard +=
            m->voters[i] == n->id || node_now(w, n) - n->heard_ms[m->voters[i] - 1] <= patience;
    bool fresh = n->view.members_committed; /* else one may have been added a moment ago */
    if (fresh && heard <= m->voters_len / 2u)
        fail(w, n, "6.2: a leader without a quorum");
}

/* 4.2.3: a vote is not asked of who hears a leader: not two beats after its link closed. */
static void judge_disturbance(struct world *w, struct node *n, const struct raft_event *ev,
                              const struct raft_view *before)
{
    const struct raft_message *m = ev->message;
    if (ev->kind != RAFT_EVENT_RECEIVE || m->kind != RAFT_MESSAGE_VOTE || m->force)
        return;
    bool closed = n->closed_ms && ev->now - n->closed_ms >= w->mix.conf.election_ms_min / 2;
    bool hears = !closed && before->role == RAFT_FOLLOWER && before->leader &&
                 n->leader_heard_term == before->term &&
                 ev->now - n->leader_heard_ms < w->mix.conf.election_ms_min;
    if (hears && n->view.term != before->term)
        fail(w, n, "4.2.3: a node that hears its leader is disturbed by node %u", m->from);
}

void judge_after(struct world *w, struct node *n, const struct raft_event *ev,
                 const struct raft_view *before)
{
    const struct raft_view *v = &n->view;
    if (v->term < before->term)
        fail(w, n, "the term goes back");
    judge_commit(w, n, before->commit);
    if (v->term != before->term)
        n->votes = 0;
    if (n->applied <= w->committed && n->state != w->states[n->applied])
        fail(w, n, "State Machine Safety: another state after entry %lu",
             (unsigned long)n->applied);
    if (n->applied > w->committed)
        fail(w, n, "entry %lu is applied and not committed", (unsigned long)n->applied);
    if (v->applied != n->applied)
        fail(w, n, "what is applied is not what was said");
    if (v->role == RAFT_CANDIDATE && v->term != before->term)
        judge_candidate(w, n, ev);
    if (v->role == RAFT_LEADER) {
        judge_leader(w, n);
        judge_quorum(w, n);
    }
    w->tally.deposed +=
        before->role == RAFT_LEADER && v->role != RAFT_LEADER && v->term == before->term;
    judge_disturbance(w, n, ev, before);
}
