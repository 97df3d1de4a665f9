/* test_grid.c - partitions that several nodes hold: SEEDS=n for longer runs, SEED=s for one.
 * LINK: store shard grid control replica data base */
#include "tests/unit/shard/grid_ask.h"

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void life(uint64_t seed)
{
    static const enum durability kinds[] = {DURABILITY_SYNC, DURABILITY_ASYNC, DURABILITY_SYNC,
                                            DURABILITY_MEMORY};
    struct prng prng = {seed};
    struct world *w = world_new(seed, 2 + (unsigned)prng_below(&prng, 3), kinds[seed % 4]);
    world_run(w, 500);
    w->faults = true;
    if (seed % 3 == 0) /* records of others wait for long until what they change is there */
        w->cold_in = 100 + (unsigned)prng_below(&prng, 400);
    w->crash_in = prng_below(&prng, 3) ? 4000 + (unsigned)prng_below(&prng, 8000) : 0;
    w->pause_in = prng_below(&prng, 2) ? 3000 + (unsigned)prng_below(&prng, 8000) : 0;
    w->cut_in = prng_below(&prng, 3) ? 0 : 4000;
    w->link_in = prng_below(&prng, 2) ? 500 + (unsigned)prng_below(&prng, 4000) : 0;
    if (w->durability != DURABILITY_SYNC) /* all copies may be lost together */
        w->crash_in = 0;
    world_run(w, 10000);
    world_heal(w);
    if (getenv("VERBOSE"))
        printf("seed %llu: %llu ops, %llu retries, %llu kills, %llu pauses, %llu copies, %llu "
               "mends, revision %llu\n",
               (unsigned long long)seed, (unsigned long long)w->ops_done,
               (unsigned long long)w->retries, (unsigned long long)w->kills,
               (unsigned long long)w->pauses, (unsigned long long)w->copies,
               (unsigned long long)w->mends, (unsigned long long)w->truth->revision);
    world_free(w);
}

static void each_seed(void (*run)(uint64_t seed), uint64_t seeds)
{
    uint64_t seed = number_of("SEED", 0);
    for (uint64_t s = seed ? seed : number_of("START", 1), n = seed ? 1 : seeds; n; s++, n--)
        run(s);
}

START_TEST(nothing_acknowledged_is_lost_whatever_happens)
{
    each_seed(life, number_of("SEEDS", 12));
}
END_TEST

/* --- min_in_sync ------------------------------------------------------------------------------ */

/* Whatever the seed made of it. */
static void roomy(struct world *w, uint8_t min_in_sync)
{
    struct context_info info = *catalog_context(w->truth->catalog, w->context);
    struct grid_outcome out;
    info.min_in_sync = min_in_sync;
    info.memory_limit = 0;
    struct grid_command c = {.kind = GRID_CONTEXT_ALTER, .u.context = &info};
    command_do(w, &c, &out);
    ck_assert_msg(out.err == GRID_OK, "%s", out.why);
}

static void world_settle(struct world *w)
{
    w->quiet = true;
    for (int i = 0; i < 10000 && !world_settled(w); i++)
        world_step(w);
    ck_assert(world_settled(w));
}

/* Two nodes with a copy each, both asked for. */
static struct world *strict_world(void)
{
    struct world *w = world_new(1, 2, DURABILITY_SYNC);
    roomy(w, 2);
    world_settle(w);
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    const struct partition *p = n->s->contexts[w->context]->partitions[0];
    for (int i = 0; i < 5000 && p->gate != GATE_OPEN; i++)
        world_step(w);
    ck_assert_int_eq(p->gate, GATE_OPEN);
    return w;
}

START_TEST(reads_go_on_with_too_few_in_sync_but_not_of_what_cannot_commit)
{
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    const struct result *told = w->digests;
    strict_ask(w, n, OP_INCR, 0);
    world_run(w, 100);
    ck_assert_int_eq(told[0].status, GRID_OK);
    node_kill(other);
    other->back_at = w->now + 10000;
    const struct partition *p = n->s->contexts[w->context]->partitions[0];
    for (int i = 0; i < 5000 && p->gate != GATE_FEW; i++)
        world_step(w);
    ck_assert_int_eq(p->gate, GATE_FEW);
    strict_ask(w, n, OP_INCR, 0);
    strict_ask(w, n, OP_GET, 1);
    world_run(w, 10);
    ck_assert_int_eq(told[0].status, GRID_EFEW_COPIES);
    ck_assert_int_eq(told[1].status, GRID_OK);
    world_free(w);
}
END_TEST

START_TEST(what_was_pending_when_too_few_stayed_is_neither_read_nor_waited_for)
{
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    const struct result *told = w->digests;
    node_kill(other);
    other->back_at = w->now + 10000;
    strict_ask(w, n, OP_INCR, 0);
    strict_ask(w, n, OP_GET, 1);
    const struct partition *p = n->s->contexts[w->context]->partitions[0];
    for (int i = 0; i < 5000 && p->gate != GATE_FEW; i++)
        world_step(w);
    strict_ask(w, n, OP_GET, 2);
    world_run(w, 10);
    ck_assert_int_eq(told[0].status, GRID_EIO); /* it may yet be done */
    ck_assert_int_eq(told[1].status, GRID_EFEW_COPIES);
    ck_assert_int_eq(told[2].status, GRID_EFEW_COPIES);
    other->back_at = w->now;
    for (int i = 0; i < 10000 && told[0].status; i++)
        world_step(w);
    ck_assert_int_eq(told[0].status, GRID_OK);
    world_free(w);
}
END_TEST

/* Alone by what is configured: nobody is to be told of its records. Whoever comes later must not
 * take what was kept before for all of it. */
START_TEST(who_is_alone_keeps_all_records_of_late_or_none)
{
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct context_info info = *catalog_context(w->truth->catalog, w->context);
    const struct partition *p = n->s->contexts[w->context]->partitions[0];
    struct grid_command c = {.kind = GRID_CONTEXT_ALTER, .u.context = &info};
    struct grid_outcome out;
    strict_ask(w, n, OP_INCR, 0);
    world_run(w, 100);
    info.min_in_sync = 1;
    info.backups = 0;
    command_do(w, &c, &out);
    node_kill(&w->nodes[!n->index]);
    w->nodes[!n->index].back_at = w->now + 100000;
    for (int i = 0; i < 5000 && p->replica.set; i++)
        world_step(w);
    ck_assert_ptr_null(p->replica.set);
    strict_ask(w, n, OP_INCR, 0);
    shard_check(n->s);
    world_run(w, 100);
    ck_assert_int_eq(w->digests[0].status, GRID_OK);
    world_free(w);
}
END_TEST

/* A hand-over that was in doubt, and given up, is done after all: the other has the record, but
 * nobody was told yet. */
START_TEST(what_is_pending_when_another_leads_is_answered_when_that_one_commits_it)
{
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    const struct partition *theirs = other->s->contexts[w->context]->partitions[0];
    const struct result *told = w->digests;
    uint64_t before = replica_last(&theirs->replica);
    strict_ask(w, n, OP_INCR, 0);
    for (int i = 0; i < 1000 && replica_last(&theirs->replica) == before; i++)
        world_step(w);
    ck_assert_uint_gt(replica_last(&theirs->replica), before);
    ck_assert_int_eq(told[0].status, GRID_EIO);
    struct replica_config c;
    struct grid_outcome out;
    ck_assert(grid_state_config(w->truth, w->context, 0, &c));
    struct part_change over = {PART_HAND_OVER, w->context, 0, (uint32_t)c.epoch, c.members[1]};
    command_do(w, &(struct grid_command){.kind = GRID_PARTS, .u.parts = {&over, 1}}, &out);
    ck_assert_int_eq(out.part_err[0], GRID_OK);
    node_learn(n);
    ck_assert_int_eq(told[0].status, GRID_EIO);
    for (int i = 0; i < 1000 && told[0].status == GRID_EIO; i++) {
        ck_assert(!shard_handed_over(n->s, w->context, 0)); /* a node that leaves stays for it */
        world_step(w);
    }
    ck_assert(shard_handed_over(n->s, w->context, 0));
    ck_assert_int_eq(told[0].status, GRID_OK);
    ck_assert_int_eq(told[0].number, 1);
    world_free(w);
}
END_TEST

/* --- local reads ------------------------------------------------------------------------------ */

static const struct result *local_ask(struct world *w, struct wnode *n, const struct op *how)
{
    struct op op = *how;
    op.cache = w_cache(w);
    op.key = op.kind == OP_GET ? slice_str("k") : op.key;
    op.ticket = (struct ticket){.number = 0, .part = CLIENTS + 1};
    w->digests[0].status = GRID_EIO; /* no answer yet */
    shard_submit(n->s, &op, WALL + w->now);
    return &w->digests[0];
}

/* Its copy has the leases that it needs. */
static struct wnode *copy_ready(struct world *w)
{
    static const struct op get = {.kind = OP_GET, .local = true};
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    for (int i = 0; i < 5000 && local_ask(w, other, &get)->status != GRID_ENOT_FOUND; i++)
        world_step(w);
    ck_assert_int_eq(w->digests[0].status, GRID_ENOT_FOUND);
    return other;
}

START_TEST(a_copy_answers_local_reads_as_long_as_its_leases_last)
{
    static const struct op reads[] = {{.kind = OP_GET, .local = true},
                                      {.kind = OP_SCAN, .local = true, .limit = 10},
                                      {.kind = OP_COUNT, .local = true}};
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = copy_ready(w);
    strict_ask(w, n, OP_INCR, 1);
    world_run(w, 200);
    ck_assert_int_eq(w->digests[1].status, GRID_OK);
    uint64_t before = other->s->stats.local_reads;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(local_ask(w, other, &reads[i])->status, GRID_OK);
        struct op plain = reads[i];
        plain.local = false;
        ck_assert_int_eq(local_ask(w, other, &plain)->status, GRID_ENOT_PRIMARY);
    }
    ck_assert_uint_eq(other->s->stats.local_reads, before + 3);
    struct op absent = {.kind = OP_GET, .local = true};
    ck_assert_int_eq(local_ask(w, n, &absent)->status, GRID_OK); /* the primary does as always */
    link_set(w, 0, 1, false);
    w->link_at[0][1] = w->link_at[1][0] = w->now + 10000;
    msec_t cut = w->now;
    while (local_ask(w, other, &reads[0])->status == GRID_OK)
        world_step(w);
    ck_assert_int_eq(w->digests[0].status, GRID_ENOT_PRIMARY);
    ck_assert_uint_le(w->now, cut + GRID_LEASE_MS);
    ck_assert_uint_gt(w->now, cut + GRID_LEASE_MS / 2);
    world_free(w);
}
END_TEST

START_TEST(a_copy_does_not_show_what_is_not_known_to_be_committed)
{
    static const struct op get = {.kind = OP_GET, .local = true};
    static const struct op scan = {.kind = OP_SCAN, .local = true, .limit = 10};
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = copy_ready(w);
    const struct partition *theirs = other->s->contexts[w->context]->partitions[0];
    uint64_t before = replica_last(&theirs->replica);
    strict_ask(w, n, OP_INCR, 1);
    for (int i = 0; i < 1000 && replica_last(&theirs->replica) == before; i++)
        world_step(w);
    ck_assert(replica_pending(&theirs->replica, replica_last(&theirs->replica)));
    ck_assert_int_eq(local_ask(w, other, &get)->status, GRID_ENOT_PRIMARY);
    ck_assert_int_eq(local_ask(w, other, &scan)->status, GRID_ENOT_PRIMARY);
    while (replica_pending(&theirs->replica, replica_last(&theirs->replica)))
        world_step(w);
    ck_assert_int_eq(local_ask(w, other, &get)->status, GRID_OK);
    ck_assert_int_eq(local_ask(w, other, &scan)->status, GRID_OK);
    world_free(w);
}
END_TEST

/* Else it would begin again at each change of the node. */
START_TEST(a_scan_that_went_on_at_the_primary_stays_there)
{
    uint8_t cursor[34] = {1}; /* PASS_MEMORY */
    struct op scan = {.kind = OP_SCAN, .local = true, .limit = 10};
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = copy_ready(w);
    store_u64(cursor + 1, n->s->contexts[w->context]->partitions[0]->scan_epoch);
    scan.cursor = slice_make(cursor, sizeof cursor);
    ck_assert_int_eq(local_ask(w, other, &scan)->status, GRID_ENOT_PRIMARY);
    store_u64(cursor + 1, other->s->contexts[w->context]->partitions[0]->scan_epoch);
    ck_assert_int_eq(local_ask(w, other, &scan)->status, GRID_OK);
    world_free(w);
}
END_TEST

/* --- copies ----------------------------------------------------------------------------------- */

/* Copies go out, and each of them has brought something: what was lost before begins anew. */
static bool copies_under_way(const struct world *w)
{
    size_t out = 0, in = 0;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct shard *s = w->nodes[i].s;
        if (!s)
            return false;
        list_for_each (it, &s->sharing->copies)
            out++;
        for (unsigned p = 0; p < PARTITIONS; p++) {
            const struct partition *to = s->contexts[w->context]->partitions[p];
            in += content_copying(to->content) && to->others && to->others->in.number > 0;
        }
    }
    return out && out == in;
}

/* Whether the log of the node reaches behind `lsn` of it no more, and each partition has gone on
 * from `versions`. */
static bool all_moved_on(const struct wnode *n, uint64_t lsn, const uint64_t *versions)
{
    struct wal_stats st;
    wal_stats(n->wal, &st);
    bool moved = st.first_lsn > lsn;
    for (unsigned i = 0; i < PARTITIONS; i++)
        moved &= content_last(n->s->contexts[n->w->context]->partitions[i]->content) > versions[i];
    return moved;
}

/* Two nodes with much data; one comes back and finds neither a tail nor a log that reaches far
 * enough. */
static struct world *copying_world(uint64_t seed)
{
    struct world *w = world_new(seed, 2, DURABILITY_SYNC);
    uint64_t versions[PARTITIONS];
    roomy(w, 1);
    w->fold_in = 100;
    w->value_bytes = 60000;
    for (unsigned i = 0; i < 2; i++) {
        w->nodes[i].retention = 0;
        w->nodes[i].s->sharing->tail.bytes_max = 1;
    }
    world_run(w, 4000);
    world_settle(w);
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    node_kill(other);
    other->back_at = w->now + 1000000;
    w->quiet = false;
    world_run(w, 2000); /* the other is taken for dead, writes go on */
    for (unsigned i = 0; i < PARTITIONS; i++)
        versions[i] = content_last(n->s->contexts[n->w->context]->partitions[i]->content);
    uint64_t lsn = n->durable;
    for (int i = 0; i < 20000 && !all_moved_on(n, lsn, versions); i++)
        world_step(w);
    ck_assert(all_moved_on(n, lsn, versions));
    w->quiet = true; /* nothing is made that the tail would have to keep */
    world_run(w, 4000);
    other->back_at = w->now;
    return w;
}

static unsigned breaks_made;

/* Of some seeds the copies are through before they were broken often. */
static void copy_goes_on(uint64_t seed)
{
    struct world *w = copying_world(seed);
    unsigned breaks = 0;
    uint64_t copies = w->copies;
    for (int i = 0; i < 5000 && breaks < 12; i++) {
        world_run(w, 1 + below(w, 8));
        if (!copies_under_way(w) || !w->linked[0][1])
            continue;
        link_set(w, 0, 1, false);
        w->link_at[0][1] = w->link_at[1][0] = w->now + 10;
        breaks++;
    }
    breaks_made += breaks;
    ck_assert_uint_le(w->copies, copies + PARTITIONS);
    world_heal(w);
    world_free(w);
}

START_TEST(a_copy_goes_on_where_a_link_broke)
{
    each_seed(copy_goes_on, 4);
    ck_assert_uint_ge(breaks_made, 12);
}
END_TEST

/* In half a second, once a copy has begun. */
static uint64_t bytes_copied(struct world *w)
{
    for (int i = 0; i < 5000 && !copies_under_way(w); i++)
        world_step(w);
    w->copied_bytes = 0;
    world_run(w, 500);
    return w->copied_bytes;
}

/* At 1 MiB a second, and a piece or two that are larger for their last values. */
static void clients_and_copies(uint64_t seed)
{
    enum { RATE = 1 << 20, PIECES = 256 << 10 };
    struct grid_command slow = {.kind = GRID_SETTING_SET,
                                .u.setting = {slice_str("rebalance_rate"), RATE}};
    uint64_t copied[2];
    for (int clients = 0; clients < 2; clients++) {
        struct grid_outcome out;
        struct world *w = copying_world(seed);
        command_do(w, &slow, &out);
        ck_assert_int_eq(out.err, GRID_OK);
        w->quiet = !clients;
        copied[clients] = bytes_copied(w);
        world_heal(w);
        world_free(w);
    }
    ck_assert(copied[1] <= RATE / 2 + PIECES && copied[0] >= 2 * copied[1]);
}

START_TEST(clients_come_before_copies)
{
    each_seed(clients_and_copies, 4);
}
END_TEST

static void damage_is_not_copied(uint64_t seed)
{
    struct world *w = copying_world(seed);
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct replica_config c;
    shard_recover_damage(n->s, w->context, 0);
    world_run(w, 8000);
    ck_assert(grid_state_config(w->truth, w->context, 0, &c));
    ck_assert_uint_eq(c.in_sync, 1);
    ck_assert(grid_state_config(w->truth, w->context, 1, &c));
    ck_assert_uint_eq(c.in_sync, 2);
    world_free(w);
}

START_TEST(a_damaged_partition_is_not_copied)
{
    each_seed(damage_is_not_copied, 4);
}
END_TEST

/* Its rows are the first ones. Returns the first of which `other` has the entry. */
static uint64_t row_of_both(struct wnode *n, const struct wnode *other)
{
    struct checkpoint_page page = {0};
    struct content *theirs = first_partition(other)->content;
    ck_assert(!checkpoint_scan(n->checkpoint, n->w->context, 0, UINT32_MAX, 0, (struct slice){0},
                               1000, SIZE_MAX, &page));
    uint64_t at = 0;
    while (at < page.len &&
           !content_get(theirs, page.entries[at].cache, page.entries[at].key,
                        content_hash(theirs, page.entries[at].cache, page.entries[at].key)))
        at++;
    ck_assert_uint_lt(at, page.len);
    checkpoint_page_release(&page);
    return at;
}

/* At rest. */
static void all_folded(struct wnode *n)
{
    log_sync(n);
    fold(n);
    ck_assert_uint_ge(content_clean(first_partition(n)->content),
                      replica_last(&first_partition(n)->replica));
}

/* As node/damage.c does it when an operator asks. */
static void damage_given_up(struct wnode *n)
{
    struct wal_place place = {n->w->context, 0};
    shard_recover_damage(n->s, place.context, place.partition);
    ck_assert(!checkpoint_give_up(n->checkpoint, &place, NULL));
    ck_assert(shard_recover_give_up(n->s, place.context, place.partition));
    ck_assert(!checkpoint_partition(n->checkpoint, &place, head_each, session_each, n));
    n->turn_at = 0;
}

/* Some of it. */
static bool copy_has_come(const struct wnode *n)
{
    const struct partition *p = first_partition(n);
    return p && p->others && content_copying(p->content) && p->others->in.number > 2;
}

/* Who leads copies to the other, which has some of it. */
static struct world *half_copied_world(struct wnode **ret_leader, struct wnode **ret_other)
{
    struct world *w = copying_world(1);
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    for (int i = 0; i < 20000 && !copy_has_come(other); i++)
        world_step(w);
    ck_assert(copy_has_come(other));
    *ret_leader = n;
    *ret_other = other;
    return w;
}

START_TEST(a_copy_of_what_was_given_up_begins_anew)
{
    struct wnode *n, *other;
    struct world *w = half_copied_world(&n, &other);
    all_folded(n);
    ck_assert(store_mem_flip(n->store, KV_ENTRIES, row_of_both(n, other), 0));
    damage_given_up(n);
    w->lossy = true;
    world_heal(w);
    world_free(w);
}
END_TEST

/* What its log has now: others may have it cut for minutes. */
static void folded_so_far(struct world *w, struct wnode *n)
{
    log_sync(n);
    uint64_t upto = wal_durable(n->wal);
    for (int i = 0; i < 400000 && checkpoint_applied(n->checkpoint) < upto; i++)
        world_step(w);
    ck_assert_uint_ge(checkpoint_applied(n->checkpoint), upto);
}

static void half_leads(struct world *w, const struct wnode *n)
{
    struct replica_config config;
    struct grid_outcome out;
    ck_assert(grid_state_config(w->truth, w->context, 0, &config));
    struct part_change change = {PART_RECOVER, w->context, 0, (uint32_t)config.epoch, n->self};
    command_do(w, &(struct grid_command){.kind = GRID_PARTS, .u.parts = {&change, 1}}, &out);
    ck_assert_int_eq(out.part_err[0], GRID_OK);
}

/* Until that is given up, too, over a start. */
START_TEST(a_part_of_a_copy_that_is_to_lead_is_damaged)
{
    struct wnode *n, *other;
    struct world *w = half_copied_world(&n, &other);
    node_kill(n);
    n->back_at = w->now + 1000000;
    gate_await(w, other, GATE_AWAY);
    world_run(w, 3000);
    half_leads(w, other);
    gate_await(w, other, GATE_DAMAGED);
    world_run(w, 100);
    node_kill(other);
    other->back_at = w->now;
    world_run(w, 3000);
    gate_await(w, other, GATE_DAMAGED);
    folded_so_far(w, other);
    damage_given_up(other);
    gate_await(w, other, GATE_OPEN);
    world_run(w, 1000);
    node_kill(other);
    other->back_at = w->now;
    gate_await(w, other, GATE_OPEN);
    world_free(w);
}
END_TEST

START_TEST(a_copy_into_a_full_log_is_not_tried_without_pause)
{
    struct world *w = copying_world(1);
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    uint64_t copies = w->copies;
    other->full = true;
    for (int i = 0; i < 20000 && w->copies == copies; i++)
        world_step(w);
    ck_assert_uint_gt(w->copies, copies);
    copies = w->copies;
    world_run(w, 2000);
    ck_assert_uint_gt(w->copies, copies);
    ck_assert_uint_le(w->copies, copies + PARTITIONS * 21);
    other->full = false;
    world_heal(w);
    world_free(w);
}
END_TEST

/* Its copy was whole when it went, and the tail would bring it on. */
START_TEST(who_was_away_when_damage_was_given_up_gets_a_copy)
{
    struct world *w = world_new(3, 2, DURABILITY_SYNC);
    world_run(w, 3000);
    world_heal(w);
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index];
    all_folded(n);
    uint64_t row = row_of_both(n, other);
    node_kill(other);
    other->back_at = w->now + 3000;
    gate_await(w, n, GATE_OPEN);
    ck_assert(store_mem_flip(n->store, KV_ENTRIES, row, 0));
    damage_given_up(n);
    w->lossy = true;
    uint64_t copies = w->copies;
    world_heal(w);
    ck_assert_uint_eq(w->copies, copies + 1);
    node_kill(node_numbered(w, grid_state_primary(w->truth, w->context, 0).node));
    world_heal(w);
    ck_assert_uint_eq(w->copies, copies + 1);
    world_free(w);
}
END_TEST

/* --- the log again ---------------------------------------------------------------------------- */

/* The tails keep next to nothing, and writes go on: the scan for one partition does not end before
 * others come. */
START_TEST(who_comes_while_the_log_is_read_for_others_is_brought_what_it_has_too)
{
    uint64_t copies = 0, stored = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world *w = world_new(seed, 2, DURABILITY_SYNC);
        struct wnode *n = &w->nodes[0], *other = &w->nodes[1];
        other->retention = 64 << 20;
        other->s->sharing->tail.bytes_max = 1;
        world_run(w, 3000);
        copies -= w->copies;
        for (int i = 0; i < 8; i++) {
            node_kill(n);
            n->back_at = w->now + 1500;
            world_run(w, 4000);
        }
        copies += w->copies;
        stored += other->s->stats.rejoined[REJOIN_STORED];
        world_heal(w);
        world_free(w);
    }
    ck_assert_uint_gt(stored, 100);
    ck_assert_uint_le(copies, 16);
}
END_TEST

/* --- damage ----------------------------------------------------------------------------------- */

static bool damaged(const struct wnode *n)
{
    return n->s->contexts[n->w->context]->partitions[0]->damaged;
}

/* `leads`: it is the primary; else it becomes that, by a hand-over that is under way. */
static void damage_heals(bool leads)
{
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct wnode *other = &w->nodes[!n->index], *bad = leads ? n : other;
    const struct result *told = w->digests;
    strict_ask(w, n, OP_INCR, 0);
    world_run(w, 100);
    ck_assert_int_eq(told[0].status, GRID_OK);
    shard_recover_damage(bad->s, w->context, 0);
    if (!leads) {
        struct replica_config c;
        struct grid_outcome out;
        ck_assert(grid_state_config(w->truth, w->context, 0, &c));
        struct part_change over = {PART_HAND_OVER, w->context, 0, (uint32_t)c.epoch, c.members[1]};
        command_do(w, &(struct grid_command){.kind = GRID_PARTS, .u.parts = {&over, 1}}, &out);
        ck_assert_int_eq(out.part_err[0], GRID_OK);
        node_learn(bad);
        ck_assert_int_eq(bad->s->contexts[w->context]->partitions[0]->role, REPLICA_PRIMARY);
    }
    bad->turn_at = w->now;
    world_step(w);
    strict_ask(w, bad, OP_GET, 1);
    ck_assert_int_ne(told[1].status, GRID_EDAMAGED); /* it waits until another leads */
    for (int i = 0; i < 20000 && (damaged(bad) || !world_settled(w)); i++)
        world_step(w);
    ck_assert(!damaged(bad));
    ck_assert_int_ne(told[1].status, GRID_EDAMAGED);
    strict_ask(w, node_numbered(w, grid_state_primary(w->truth, w->context, 0).node), OP_GET, 1);
    world_run(w, 100);
    ck_assert_int_eq(told[1].status, GRID_OK);
    replicas_equal(w);
    world_free(w);
}

START_TEST(a_primary_that_is_damaged_gives_way_to_a_good_copy_and_gets_one_itself)
{
    damage_heals(true);
}
END_TEST

START_TEST(so_does_one_that_was_handed_over_to_when_it_was_damaged)
{
    damage_heals(false);
}
END_TEST

/* The read that asked the checkpoint for a key of the first partition finds a row that cannot be
 * read. */
static void damage_read(struct world *w, struct wnode *n)
{
    ck_assert_uint_eq(n->questions_len, 1);
    uint64_t token = n->questions[--n->questions_len].token;
    buf_release(&n->questions[0].key);
    shard_cold_found(n->s, token, GRID_ECORRUPT, NULL, WALL + w->now);
    ck_assert(damaged(n));
}

static void damage_mends(struct world *w, const struct wnode *n)
{
    for (int i = 0; i < 20000 && (damaged(n) || !world_settled(w)); i++)
        world_step(w);
    ck_assert(!damaged(n));
}

/* COUNT of all that this node leads. */
static void all_ask(struct world *w, struct wnode *n, uint64_t number)
{
    struct op op = {.kind = OP_COUNT,
                    .cache = w_cache(w),
                    .all_partitions = true,
                    .ticket = {.number = number, .part = CLIENTS + 1}};
    w->digests[number].status = GRID_EIO;
    shard_submit(n->s, &op, WALL + w->now);
}

/* Whoever finds it, and who comes before the turn ends, asks again where a good copy is. */
START_TEST(a_read_that_finds_damage_is_for_another_to_answer)
{
    struct world *w = strict_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    const struct result *told = w->digests;
    content_set_complete(n->s->contexts[w->context]->partitions[0]->content, false);
    n->questions_len = 0;
    strict_ask(w, n, OP_GET, 0);
    damage_read(w, n);
    strict_ask(w, n, OP_GET, 1);
    all_ask(w, n, 2);
    ck_assert_int_eq(told[2].status, GRID_OK);  /* who is to lead counts it */
    ck_assert_int_eq(told[0].status, GRID_EIO); /* it waits */
    ck_assert_int_eq(told[1].status, GRID_EIO);
    damage_mends(w, n);
    ck_assert_int_eq(told[0].status, GRID_ENOT_PRIMARY);
    ck_assert_int_eq(told[1].status, GRID_ENOT_PRIMARY);
    world_free(w);
}
END_TEST

START_TEST(a_local_read_that_finds_damage_is_for_the_primary_to_answer)
{
    static const struct op get = {.kind = OP_GET, .local = true};
    struct world *w = strict_world();
    struct wnode *other = copy_ready(w);
    content_set_complete(other->s->contexts[w->context]->partitions[0]->content, false);
    other->questions_len = 0;
    ck_assert_int_eq(local_ask(w, other, &get)->status, GRID_EIO);
    damage_read(w, other);
    ck_assert_int_eq(w->digests[0].status, GRID_ENOT_PRIMARY);
    damage_mends(w, other);
    world_free(w);
}
END_TEST

UNIT_MAIN("shard/grid", a_copy_goes_on_where_a_link_broke, clients_come_before_copies,
          nothing_acknowledged_is_lost_whatever_happens,
          a_copy_answers_local_reads_as_long_as_its_leases_last,
          a_copy_does_not_show_what_is_not_known_to_be_committed,
          a_scan_that_went_on_at_the_primary_stays_there, a_damaged_partition_is_not_copied,
          a_primary_that_is_damaged_gives_way_to_a_good_copy_and_gets_one_itself,
          so_does_one_that_was_handed_over_to_when_it_was_damaged,
          a_read_that_finds_damage_is_for_another_to_answer,
          a_local_read_that_finds_damage_is_for_the_primary_to_answer,
          a_copy_of_what_was_given_up_begins_anew, a_part_of_a_copy_that_is_to_lead_is_damaged,
          a_copy_into_a_full_log_is_not_tried_without_pause,
          who_was_away_when_damage_was_given_up_gets_a_copy,
          who_comes_while_the_log_is_read_for_others_is_brought_what_it_has_too,
          reads_go_on_with_too_few_in_sync_but_not_of_what_cannot_commit,
          what_was_pending_when_too_few_stayed_is_neither_read_nor_waited_for,
          who_is_alone_keeps_all_records_of_late_or_none,
          what_is_pending_when_another_leads_is_answered_when_that_one_commits_it)
