/* others.c - partitions that other nodes hold, too: what the grid says of them, what their replicas
 * want, and the turn.
 *
 *   shard_set_grid --> replica_configure --\
 *   shard_receive ---> replica_receive -----> woken --shard_turn--> replica_flush --> ports: links
 *   record, ack, timer, link up or down ---/                   \--> look: commit, role, gate
 *
 * Nothing here costs anything for a partition that rests: the turn looks at those that were woken
 * or whose time has come. */
#include "base/hash.h"
#include "shard/others_priv.h"

#include <stdlib.h>

enum {
    RETRY_MS = 100,
    TELL_MS = 50,
    STOP_MS = 250,
    PROGRESS_MS = 500,
    SETTLE_LOOK_MS = 100,
    SETTLE_MS = 300000,
    IDLE_KEEP_MS = 20000,
    TAIL_BYTES = 64 << 20,
    TURNS_MAX = 8, /* rounds over what was woken meanwhile */
};

static struct partition *partition_by(struct replica *r)
{
    return container_of(r, struct partition, replica);
}

msec_t mono_now(const struct shard *s)
{
    return s->ports.grid->mono(s->ports.ctx);
}

struct others *others_of(struct partition *p)
{
    if (!p->others) {
        p->others = xcalloc(1, sizeof *p->others);
        p->others->partition = p;
        list_init(&p->others->later);
        list_init(&p->others->rejoining);
        p->others->in.end = UINT64_MAX;
    }
    return p->others;
}

void partition_touch(struct shard *s, struct partition *p)
{
    if (list_empty(&p->woken))
        list_push_back(&s->sharing->woken, &p->woken);
}

/* --- ports of the replicas -------------------------------------------------------------------- */

static void port_wake(void *ctx, struct replica *r)
{
    partition_touch(ctx, partition_by(r));
}

bool member_place(const struct shard *s, const struct partition *p, struct replica_member m,
                  struct shard_to *ret_to)
{
    const struct grid_node *n =
        s->sharing->state ? grid_state_node(s->sharing->state, m.node) : NULL;
    if (!n || !n->info.shards)
        return false;
    *ret_to = (struct shard_to){m, p->index % n->info.shards};
    return true;
}

void message_send(struct shard *s, const struct partition *p, struct replica_member to,
                  enum shard_class class, struct shard_message *m)
{
    struct shard_to at;
    if (!member_place(s, p, to, &at))
        return;
    m->context = p->context_id;
    m->partition = p->index;
    s->ports.grid->peer_send(s->ports.ctx, &at, class, m);
}

static void port_send(void *ctx, struct replica *r, struct replica_member to,
                      const struct replica_message *m)
{
    struct partition *p = partition_by(r);
    struct shard_message message = {.kind = SHARD_REPLICA, .replica = *m};
    if (m->kind == REPLICA_STATUS && p->others)
        message.number = p->others->in.number;
    enum shard_class class = SHARD_URGENT;
    if (m->kind == REPLICA_COPY)
        class = SHARD_BULK;
    else if (m->kind != REPLICA_ACK)
        class = stream_class(p, to);
    message_send(ctx, p, to, class, &message);
}

static void port_ask(void *ctx, struct replica *r, enum replica_ask what,
                     struct replica_member member)
{
    static const enum part_change_kind kinds[] = {
        [REPLICA_ASK_SHRINK] = PART_SHRINK,
        [REPLICA_ASK_PROMOTE] = PART_PROMOTE,
        [REPLICA_ASK_HAND_OVER] = PART_HAND_OVER,
        [REPLICA_ASK_GIVE_BACK] = PART_GIVE_BACK,
    };
    struct shard *s = ctx;
    struct partition *p = partition_by(r);
    struct part_change change = {.kind = kinds[what],
                                 .context = p->context_id,
                                 .partition = p->index,
                                 .epoch = r->epoch,
                                 .member = member};
    struct others *o = others_of(p);
    /* the number says whose it is: answers to others than the last one mean nothing */
    o->ask = ++s->sharing->asks << 32 | (uint64_t)p->context_id << 16 | p->index;
    o->ask_epoch = r->epoch;
    o->ask_what = (uint8_t)what;
    o->ask_member = member;
    s->ports.grid->ask(s->ports.ctx, &change, o->ask);
}

static bool port_lease_held(void *ctx, struct replica *r, struct replica_member by, msec_t now)
{
    (void)r;
    struct shard *s = ctx;
    const struct grid_state *state = s->sharing->state;
    return state && s->ports.grid->lease_held(s->ports.ctx, by, state->revision, now);
}

static msec_t port_lease_granted(void *ctx, struct replica *r, struct replica_member to)
{
    (void)r;
    struct shard *s = ctx;
    return s->ports.grid->lease_granted(s->ports.ctx, to);
}

void sharing_init(struct shard *s)
{
    struct sharing *g = s->sharing = xcalloc(1, sizeof *g);
    g->ports = (struct replica_ports){.ctx = s,
                                      .send = port_send,
                                      .stream = port_stream,
                                      .kept = port_kept,
                                      .recall = port_recall,
                                      .ask = port_ask,
                                      .copy = port_copy,
                                      .copy_on = port_copy_on,
                                      .copy_end = port_copy_end,
                                      .cut = port_cut,
                                      .wipe = port_wipe,
                                      .wake = port_wake,
                                      .lease_held = port_lease_held,
                                      .lease_granted = port_lease_granted};
    g->times = (struct replica_times){
        .timeout_ms = 1000, .retry_ms = RETRY_MS, .tell_ms = TELL_MS, .stop_ms = STOP_MS};
    tail_init(&g->tail, s->conf.tail_bytes ? s->conf.tail_bytes : (size_t)TAIL_BYTES);
    rejoin_init(&g->rejoin);
    list_init(&g->woken);
    list_init(&g->stuck);
    list_init(&g->copies);
    list_init(&g->ended);
    list_init(&g->later);
    g->effects = xcalloc(RECORD_EFFECTS_MAX, sizeof *g->effects);
}

void sharing_release(struct shard *s)
{
    struct sharing *g = s->sharing;
    if (!g)
        return;
    copies_release(s);
    rejoin_release(&g->rejoin);
    tail_release(&g->tail);
    heap_release(&g->timers);
    buf_release(&g->bytes);
    buf_release(&g->values);
    grid_state_unref(g->state);
    free(g->effects);
    free(g);
    s->sharing = NULL;
}

void partition_share(struct shard *s, struct partition *p)
{
    list_init(&p->queue);
    list_init(&p->lapsed);
    list_init(&p->holding);
    list_init(&p->woken);
    list_init(&p->stuck);
    list_init(&p->promises.link);
    p->scan_epoch = s->conf.epoch;
    p->stored_from = UINT64_MAX;
    if (!s->sharing) {
        replica_init(&p->replica, s->conf.epoch);
        p->role = REPLICA_PRIMARY;
        return;
    }
    replica_open(&p->replica, &s->sharing->ports, &s->sharing->times);
    gate_put(p, GATE_AWAY);
    /* tables of two nodes are not the same */
    p->scan_epoch = s->conf.epoch ^ hash_key(slice_str("cursors"), s->conf.hash_seed);
}

void partition_unshare(struct shard *s, struct partition *p)
{
    replica_close(&p->replica); /* ends copies */
    promises_cut(s, p, 0);
    list_remove(&p->woken);
    list_remove(&p->stuck);
    list_remove(&p->holding);
    if (s->sharing)
        heap_remove(&s->sharing->timers, &p->timer);
    struct others *o = p->others;
    if (!o)
        return;
    copies_end(s, p);
    list_remove(&o->rejoining);
    later_forget(p);
    mend_forget(p);
    want_forget(p);
    free(o->out);
    free(o);
    p->others = NULL;
}

void partition_leave(struct shard *s, struct partition *p)
{
    if (!s->sharing)
        return;
    promises_break(s, p);
    promises_cut(s, p, 0);
    waiting_refuse(s, p);
    replica_configure(&p->replica, NULL, s->sharing->self, 1, mono_now(s));
    p->role = REPLICA_NONE;
    p->phase = REPLICA_IDLE;
    partition_led_look(s, p);
    copies_end(s, p);
    later_forget(p);
    if (p->others)
        mend_forget(p);
}

void partition_break(struct shard *s, struct partition *p)
{
    if (s->sharing && p->replica.ports) {
        replica_break(&p->replica, mono_now(s));
        if (p->gate == GATE_DAMAGED && replica_gives_way(&p->replica))
            gate_put(p, GATE_HOLD); /* at once, too */
        partition_touch(s, p);
    }
}

bool lease_asked(struct shard *s, struct partition *p)
{
    return p->role != REPLICA_PRIMARY || replica_reads(&p->replica, mono_now(s));
}

/* --- roles ------------------------------------------------------------------------------------ */

/* R10: somebody has to find out who has most. */
static void report(struct shard *s, const struct partition *p)
{
    const struct replica *r = &p->replica;
    bool broken = r->copying || r->broken || p->damaged;
    struct plan_report say = {.context = p->context_id,
                              .partition = p->index,
                              .member = r->self,
                              .epoch = broken ? 0 : (uint32_t)(replica_last(r) >> SEQ_BITS),
                              .seq = broken ? 0 : replica_last(r) & SEQ_MASK,
                              .broken = broken};
    s->ports.grid->report(s->ports.ctx, &say);
}

static enum gate gate_of(const struct partition *p, msec_t now)
{
    const struct replica *r = &p->replica;
    if (p->lost)
        return GATE_LOST;
    if (r->role != REPLICA_PRIMARY)
        return GATE_AWAY;
    if (p->damaged)
        return replica_gives_way(r) ? GATE_HOLD : GATE_DAMAGED;
    if (partition_applied(p) < replica_last(r) || wipe_due(p))
        return GATE_HOLD; /* memory lacks what it took over, or the log that what it has is void */
    if (r->phase == REPLICA_SERVING && now < p->frozen_until)
        return GATE_READS;
    if (r->phase == REPLICA_SERVING)
        return replica_short(r) ? GATE_FEW : GATE_OPEN;
    return r->phase == REPLICA_STOPPED ? GATE_READS : GATE_HOLD;
}

/* What the replica has become. */
static void partition_look(struct shard *s, struct partition *p, msec_t now)
{
    const struct replica *r = &p->replica;
    if (r->commit != p->committed) {
        p->committed = r->commit;
        partition_committed(s, p);
        promises_keep(s, p);
    }
    if (p->role != r->role || p->phase != r->phase) {
        bool led = p->role == REPLICA_PRIMARY;
        bool serves = r->phase == REPLICA_SERVING || r->phase == REPLICA_STOPPED;
        p->role = r->role;
        p->phase = r->phase;
        p->idle_since = 0;
        if (led && (r->role != REPLICA_PRIMARY || !serves))
            waiting_refuse(s, p); /* others may have led since it was read */
        if (r->role != REPLICA_PRIMARY && r->role != REPLICA_BACKUP)
            promises_break(s, p); /* nobody tells it what becomes of them */
        if (r->role == REPLICA_WAITING)
            report(s, p);
        if (r->role == REPLICA_PRIMARY && r->copying)
            partition_damage(s, p); /* it is no copy yet */
        partition_account(s, p);
    }
    gate_set(s, p, gate_of(p, now), now);
}

/* One that is set for earlier stays: a tick that comes too early does nothing, and is seldom, while
 * what is owed and paid in each turn would move it twice. */
static void timer_set(struct shard *s, struct partition *p)
{
    msec_t at = replica_next(&p->replica);
    const msec_t others[] = {mend_next(p), later_next(s, p), wipe_next(s, p)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        at = others[i] < at ? others[i] : at;
    if (p->timer.place && p->timer.key <= at)
        return;
    heap_remove(&s->sharing->timers, &p->timer);
    if (at != UINT64_MAX)
        heap_push(&s->sharing->timers, &p->timer, at);
}

/* --- the turn --------------------------------------------------------------------------------- */

static void woken_run(struct shard *s, msec_t now)
{
    struct list *it;
    struct list woken;
    msec_t mono = mono_now(s);
    list_init(&woken);
    while ((it = list_pop_front(&s->sharing->woken)))
        list_push_back(&woken, it);
    while ((it = list_pop_front(&woken))) {
        struct partition *p = list_entry(it, struct partition, woken);
        if (!p->context)
            continue;
        wipe_run(s, p);
        later_run(s, p, now);
        mend_run(s, p, now);
        replica_flush(&p->replica, mono);
        partition_look(s, p, now);
        timer_set(s, p);
    }
}

static void timers_run(struct shard *s)
{
    msec_t mono = mono_now(s);
    struct heap_node *n;
    while ((n = heap_min(&s->sharing->timers)) && n->key <= mono) {
        struct partition *p = container_of(n, struct partition, timer);
        heap_remove(&s->sharing->timers, n);
        replica_tick(&p->replica, mono);
        partition_touch(s, p);
    }
}

/* R9: what may yet be cut stays out of the checkpoint; but not for ever, for the log must end
 * somewhere: after that, a replica that has to cut takes a whole copy. And what memory does not
 * have yet stays out, for what is fetched for it must be as it was before. */
static uint64_t settled_look(const struct shard *s, msec_t now)
{
    uint64_t settled = s->logged;
    list_for_each (it, &s->promises.partitions) {
        const struct partition *p = list_entry(it, struct partition, promises.link);
        const struct promise *first = &s->promises.all[p->promises.first - 1];
        if (first->lsn && first->lsn <= settled && now < first->since + SETTLE_MS)
            settled = first->lsn - 1;
    }
    struct list *first = s->sharing->later.next;
    uint64_t later = UINT64_MAX;
    if (first != &s->sharing->later)
        later = list_entry(first, struct later, all)->lsn;
    return later <= settled ? later - 1 : settled;
}

msec_t shard_turn(struct shard *s, msec_t now)
{
    struct sharing *g = s->sharing;
    s->now = now;
    if (!g)
        return UINT64_MAX;
    timers_run(s);
    if (!list_empty(&s->holding))
        gate_tick(s, now);
    for (int i = 0; i < TURNS_MAX && !list_empty(&g->woken); i++)
        woken_run(s, now);
    rejoin_run(s);
    msec_t copies = copies_run(s);
    msec_t mono = mono_now(s);
    if (!list_empty(&g->copies) && mono >= g->progress_at) {
        copies_say(s);
        g->progress_at = mono + PROGRESS_MS;
    }
    if (mono >= g->settle_at) {
        g->settled = settled_look(s, now);
        promises_look(s, now);
        g->settle_at = mono + SETTLE_LOOK_MS;
    }
    if (!copies || !list_empty(&g->woken))
        return 0;
    msec_t wait = rejoin_next(s);
    if (copies < wait)
        wait = copies;
    if (!list_empty(&s->holding) && wait > HOLD_LOOK_MS)
        wait = HOLD_LOOK_MS;
    if (!list_empty(&g->copies) && wait > PROGRESS_MS)
        wait = PROGRESS_MS;
    const struct heap_node *n = heap_min(&g->timers);
    msec_t due = !n ? UINT64_MAX : n->key > mono ? n->key - mono : 0;
    return due < wait ? due : wait;
}

/* --- what the grid says ----------------------------------------------------------------------- */

static unsigned min_in_sync(const struct shard_context *c)
{
    return c->info->min_in_sync ? c->info->min_in_sync : 1;
}

static void partition_configure(struct shard *s, struct shard_context *c, uint16_t index)
{
    struct sharing *g = s->sharing;
    struct replica_config config;
    struct partition *p = c->partitions[index / s->conf.shards];
    if (!grid_state_config(g->state, c->id, index, &config))
        return;
    bool member = g->self.node && replica_config_find(&config, g->self) >= 0;
    if (!p && !member)
        return;
    if (!p)
        p = partition_of(s, c, index);
    p->lost = config.lost;
    if (content_copying(p->content) && !p->replica.epoch)
        replica_recover_copying(&p->replica);
    if (p->damaged && !p->replica.broken)
        replica_break(&p->replica, mono_now(s));
    replica_configure(&p->replica, g->self.node ? &config : NULL, g->self, min_in_sync(c),
                      mono_now(s));
    partition_touch(s, p);
}

static void context_configure(struct shard *s, struct shard_context *c)
{
    for (uint32_t i = s->conf.index; i < c->info->partitions; i += s->conf.shards)
        partition_configure(s, c, (uint16_t)i);
}

/* Contexts whose partitions all are to be looked at: new ones, and where min_in_sync is another. */
static bool context_changed(const struct grid_state *before, const struct context_info *info)
{
    const struct context_info *old =
        before && before->catalog ? catalog_context(before->catalog, info->id) : NULL;
    return !old || old->min_in_sync != info->min_in_sync;
}

static void changes_configure(struct shard *s, const struct grid_state *before)
{
    const struct grid_state *after = s->sharing->state;
    struct grid_change at = {0};
    while (grid_state_next_change(before, after, &at)) {
        struct shard_context *c = shard_context_of(s, at.context);
        if (c && at.partition % s->conf.shards == s->conf.index)
            partition_configure(s, c, (uint16_t)at.partition);
    }
}

void shard_set_grid(struct shard *s, struct grid_state *state, struct replica_member self,
                    msec_t now)
{
    struct sharing *g = s->sharing;
    struct grid_state *before = g->state;
    bool other_life = !replica_member_eq(g->self, self);
    CHECK(!before || state->revision >= before->revision);
    /* what an older one lacks would be dropped, with all that is in it */
    CHECK(!state->catalog || state->catalog->revision >= s->catalog->revision);
    g->state = grid_state_ref(state);
    g->self = self;
    if (state->catalog && state->catalog != s->catalog)
        shard_set_catalog(s, state->catalog);
    g->times.timeout_ms = (msec_t)catalog_setting(s->catalog, SETTING_replica_timeout);
    for (size_t i = 0; state->catalog && i < state->catalog->contexts_len; i++) {
        const struct context_info *info = &state->catalog->contexts[i];
        if (!before || other_life || context_changed(before, info))
            context_configure(s, shard_context_of(s, info->id));
    }
    if (before && !other_life)
        changes_configure(s, before);
    grid_state_unref(before);
    woken_run(s, now); /* who serves no more stops at once */
}

/* Whether the grid has as many copies as it wants without what lies here. */
static bool spare(const struct shard *s, const struct partition *p)
{
    struct replica_config config;
    const struct sharing *g = s->sharing;
    if (!g->self.node || !grid_state_config(g->state, p->context_id, p->index, &config))
        return false;
    return config.led && config.in_sync == config.len &&
           config.in_sync >= grid_state_copies(g->state, p->context->info);
}

/* It may be asked to catch up from what it has, as long as copies are missing, and for a while
 * after; then it is in the way. */
void idle_tick(struct shard *s, struct partition *p, msec_t now)
{
    if (!replica_last(&p->replica) && !content_copying(p->content))
        return;
    if (!p->idle_since || !spare(s, p))
        p->idle_since = now;
    msec_t keep = s->conf.idle_keep_ms ? s->conf.idle_keep_ms : (msec_t)IDLE_KEEP_MS;
    if (now < p->idle_since + keep)
        return;
    p->idle_since = 0;
    replica_restate(&p->replica, 0);
    p->replica.copying = p->replica.broken = p->replica.stray = false;
    port_wipe(s, &p->replica, false, 0);
}

enum grid_err partition_absent(const struct shard *s, const struct shard_context *c, uint16_t index)
{
    struct replica_config config;
    if (s->sharing->state && grid_state_config(s->sharing->state, c->id, index, &config) &&
        config.lost)
        return GRID_ELOST;
    return GRID_ENOT_PRIMARY;
}

/* --- what happens ----------------------------------------------------------------------------- */

void shard_peer_linked(struct shard *s, uint32_t node, bool up, msec_t now)
{
    (void)now;
    msec_t mono = mono_now(s);
    list_for_each (it, &s->partitions) {
        struct partition *p = list_entry(it, struct partition, link);
        if (!p->context || !p->replica.epoch)
            continue;
        replica_linked(&p->replica, node, up, mono);
        partition_touch(s, p);
    }
}

void shard_peer_room(struct shard *s)
{
    struct list *it;
    while ((it = list_pop_front(&s->sharing->stuck)))
        partition_touch(s, list_entry(it, struct partition, stuck));
}

struct partition *partition_there(const struct shard *s, uint32_t context, uint32_t index)
{
    const struct shard_context *c = shard_context_of(s, context);
    if (!c || index >= c->info->partitions || index % s->conf.shards != s->conf.index)
        return NULL;
    return c->partitions[index / s->conf.shards];
}

void shard_answered(struct shard *s, uint64_t number, enum grid_err err, msec_t now)
{
    (void)now;
    struct partition *p = partition_there(s, (uint32_t)number >> 16, number & UINT16_MAX);
    if (!p || !p->others || p->others->ask != number)
        return;
    struct others *o = p->others;
    o->ask = 0;
    if (o->ask_what == REPLICA_ASK_PROMOTE && err == GRID_OK) {
        struct outgoing *out = outgoing_of(p, o->ask_member);
        s->stats.rejoined[out->way]++;
        out->way = REJOIN_KEPT;
    }
    replica_answered(&p->replica, o->ask_epoch, (enum replica_ask)o->ask_what, err, mono_now(s));
    partition_touch(s, p);
}

bool shard_hand_over(struct shard *s, const struct plan_ask *ask, msec_t now)
{
    (void)now;
    struct partition *p = partition_there(s, ask->context, ask->partition);
    if (!p || p->replica.epoch != ask->epoch || !replica_member_eq(p->replica.self, ask->primary))
        return false;
    bool done = replica_hand_over(&p->replica, ask->to, mono_now(s));
    partition_touch(s, p);
    return done;
}

void shard_break(struct shard *s, uint32_t context, uint32_t partition)
{
    struct partition *p = partition_there(s, context, partition);
    if (p && p->role != REPLICA_NONE)
        partition_break(s, p);
}

bool shard_broken(const struct shard *s, uint32_t context, uint32_t partition)
{
    const struct partition *p = partition_there(s, context, partition);
    return p && p->replica.broken;
}

bool shard_handed_over(const struct shard *s, uint32_t context, uint32_t partition)
{
    const struct partition *p = partition_there(s, context, partition);
    return !p || (!replica_handing_over(&p->replica) &&
                  (p->role != REPLICA_BACKUP || !promises_waited(s, p)));
}

void shard_say_again(struct shard *s)
{
    s->sharing->progress_at = 0;
    list_for_each (it, &s->partitions) {
        const struct partition *p = list_entry(it, struct partition, link);
        if (p->context && p->role == REPLICA_WAITING)
            report(s, p);
    }
}

/* It was looked at a while ago: what was settled then, is. */
uint64_t shard_settled(const struct shard *s, uint64_t durable)
{
    const struct sharing *g = s->sharing;
    return g && g->settled < durable ? g->settled : durable;
}
