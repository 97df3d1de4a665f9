/* test_model.c - random lives of a grid against a model that knows which node holds which records.
 * The model is the crudest replication that keeps the rules: what is acknowledged is with everyone
 * in sync; who joins is wiped first; who leads makes the others like itself. Whatever commands
 * come, late and again too, who leads or may lead without a question has every committed record.
 * LINK: control replica base */
#include "base/prng.h"
#include "control/plan.h"
#include "tests/unit/control/grid.h"

enum { NODES = 6, CONTEXTS = 4, PARTS = 4, SEEDS = 2500, STEPS = 120, RECORDS = 64, PAST = 32 };

struct place_of { /* of a node's copy of a partition */
    uint64_t records;
};

struct model {
    uint64_t seed;
    struct prng r;
    struct grid_state *s;
    uint32_t context[CONTEXTS];
    uint64_t committed[CONTEXTS][PARTS];
    uint32_t written[CONTEXTS][PARTS];
    struct place_of copy[NODES + 1][CONTEXTS][PARTS];
    bool runs[NODES + 1];     /* the process */
    uint32_t life[NODES + 1]; /* of the process: its boot id */
    bool removed[NODES + 1];
    uint32_t boots[NODES + 1]; /* greatest that was seen */
    unsigned chance[17];       /* swarm: each seed its own mix */
    struct past {
        struct grid_command c;
        struct part_change part;
        struct replica_member gone[NODES];
        struct node_info info;
    } past[PAST];
    unsigned past_len;
    uint64_t number;
};

static struct model m;

static void claim(bool holds, const char *what)
{
    if (!holds)
        ck_abort_msg("seed %llu: %s", (unsigned long long)m.seed, what);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&m.r, n);
}

static uint32_t any_node(void)
{
    return 1 + below(NODES);
}

static const struct context_info *info_at(uint32_t k)
{
    return catalog_context(m.s->catalog, m.context[k]);
}

static bool up(uint32_t node) /* the process runs, and the grid knows it in this life */
{
    const struct grid_node *n = grid_state_node(m.s, node);
    struct node_info i = info_of(node, m.life[node]);
    return m.runs[node] && n && n->state == NODE_UP &&
           memcmp(n->info.boot_id, i.boot_id, GRID_ID_BYTES) == 0;
}

static bool has_all(uint32_t node, uint32_t k, uint32_t p)
{
    return (m.copy[node][k][p].records & m.committed[k][p]) == m.committed[k][p];
}

/* --- what must hold -------------------------------------------------------------------------- */

static void row_claims(uint32_t k, uint32_t p)
{
    struct replica_config c = config(m.s, m.context[k], p);
    enum durability d = info_at(k)->durability;
    for (int i = 0; i < c.len; i++)
        claim(c.members[i].boot <= m.boots[c.members[i].node], "a boot that was never given");
    if (c.led)
        for (int i = 0; i < c.in_sync; i++)
            claim((d != DURABILITY_SYNC && !up(c.members[i].node)) ||
                      has_all(c.members[i].node, k, p),
                  "a member in sync lacks a committed record");
    for (int i = c.in_sync; i < c.complete; i++)
        claim((d != DURABILITY_SYNC && !up(c.members[i].node)) || has_all(c.members[i].node, k, p),
              "an eligible member lacks a committed record");
    for (int i = 0; i < c.in_sync && !c.led && d == DURABILITY_SYNC; i++)
        claim(has_all(c.members[i].node, k, p), "one that is waited for lacks a committed record");
}

static void claims(const struct grid_state *before)
{
    for (uint32_t k = 0; k < CONTEXTS; k++) {
        for (uint32_t p = 0; p < PARTS; p++) {
            struct replica_config a = config(before, m.context[k], p),
                                  b = config(m.s, m.context[k], p);
            bool same = a.led == b.led && a.lost == b.lost && a.len == b.len &&
                        a.in_sync == b.in_sync && a.complete == b.complete &&
                        memcmp(a.members, b.members, sizeof a.members) == 0;
            claim(b.epoch >= a.epoch && b.epoch <= a.epoch + 2, "an epoch jumps");
            claim(same == (a.epoch == b.epoch), "a change without an epoch, or the reverse");
            row_claims(k, p);
        }
    }
}

/* --- what the model makes of a new configuration --------------------------------------------- */

static void follow_row(const struct grid_state *before, uint32_t k, uint32_t p, bool loss)
{
    struct replica_config a = config(before, m.context[k], p), b = config(m.s, m.context[k], p);
    if (b.born > a.born)
        for (uint32_t n = 1; n <= NODES; n++)
            m.copy[n][k][p].records = 0;
    if (b.lost || b.born > a.born) {
        bool allowed = loss || info_at(k)->durability == DURABILITY_MEMORY || a.lost;
        claim(allowed, "lost without need");
        m.committed[k][p] = 0;
    }
    for (int i = 0; i < a.in_sync && !a.led && b.led && !loss; i++)
        claim(!(m.copy[a.members[i].node][k][p].records & m.committed[k][p] &
                ~m.copy[b.members[0].node][k][p].records),
              "not the most advanced leads");
    for (int i = b.complete; i < b.len; i++) /* the worst that joining may do */
        if (replica_config_find(&a, b.members[i]) < a.complete)
            m.copy[b.members[i].node][k][p].records = 0;
    if (!b.led || (a.led && replica_member_eq(a.members[0], b.members[0])))
        return;
    uint64_t has = m.copy[b.members[0].node][k][p].records;
    bool resumed = info_at(k)->durability == DURABILITY_ASYNC &&
                   (!a.led || a.members[0].node == b.members[0].node);
    if (loss || resumed) /* all were down: what was not on disk yet may be gone */
        m.committed[k][p] &= has;
    for (int i = 1; i < b.in_sync; i++)
        m.copy[b.members[i].node][k][p].records = has;
}

static enum grid_err perform(const struct grid_command *c, bool loss)
{
    struct grid_state *before = m.s, *next = grid_state_copy(before);
    enum grid_err err = grid_state_apply(next, c, &out);
    grid_state_check(next);
    m.s = next;
    for (uint32_t n = 1; n <= NODES; n++) {
        const struct grid_node *is = grid_state_node(next, n), *was = grid_state_node(before, n);
        if (is && was && is->boot != was->boot)
            claim(is->boot == m.boots[n] + 1, "a boot is given twice");
        if (is && is->boot > m.boots[n])
            m.boots[n] = is->boot;
    }
    for (uint32_t k = 0; k < CONTEXTS; k++)
        for (uint32_t p = 0; p < PARTS; p++)
            follow_row(before, k, p, loss);
    claims(before);
    claim(out.changed == (next->revision == before->revision + 1), "revision and outcome differ");
    grid_state_unref(before);
    return err;
}

/* Remember it, to say it again late. */
static enum grid_err perform_kept(struct past *e, bool loss)
{
    if (m.past_len < PAST || !below(4)) {
        struct past *to = &m.past[m.past_len < PAST ? m.past_len++ : below(PAST)];
        *to = *e;
        if (e->c.kind == GRID_PARTS)
            to->c.u.parts.list = &to->part;
        if (e->c.kind == GRID_GONE)
            to->c.u.gone.list = to->gone;
        if (e->c.kind == GRID_ENTER)
            to->c.u.enter = &to->info;
    }
    return perform(&e->c, loss);
}

/* --- what happens ---------------------------------------------------------------------------- */

static uint64_t top_of(uint64_t records)
{
    return records ? (uint64_t)1 << (63 - __builtin_clzll(records)) : 0;
}

static void crash(uint32_t n)
{
    m.runs[n] = false;
    for (uint32_t k = 0; k < CONTEXTS; k++) {
        for (uint32_t p = 0; p < PARTS; p++) {
            uint64_t *records = &m.copy[n][k][p].records;
            if (info_at(k)->durability == DURABILITY_MEMORY)
                *records = 0;
            if (info_at(k)->durability == DURABILITY_ASYNC && below(2))
                *records -= top_of(*records); /* the last one was not on disk yet */
        }
    }
}

static void do_crash(void)
{
    crash(any_node());
}

static void do_power_cut(void)
{
    for (uint32_t n = 1; n <= NODES; n++)
        if (below(3))
            crash(n);
}

static void tell_gone(const uint32_t *nodes, size_t len)
{
    struct past e = {.c = {.kind = GRID_GONE, .now = 1}};
    for (size_t i = 0; i < len; i++) {
        e.gone[i] = present(m.s, nodes[i]);
    }
    e.c.u.gone.list = e.gone;
    e.c.u.gone.len = len;
    perform_kept(&e, false);
}

/* All that are down in this moment are told at once, as plan.h does. */
static void do_notice(void)
{
    uint32_t nodes[NODES];
    size_t len = 0;
    for (uint32_t n = 1; n <= NODES; n++) {
        const struct grid_node *is = grid_state_node(m.s, n);
        if (is && is->state == NODE_UP && !up(n))
            nodes[len++] = n;
    }
    if (len)
        tell_gone(nodes, len);
}

static void do_suspect(void) /* wrongly: it only paused */
{
    uint32_t n = any_node();
    if (grid_state_node(m.s, n) && grid_state_node(m.s, n)->state == NODE_UP && up(n)) {
        do_notice();
        tell_gone(&n, 1);
        m.life[n]++;
    }
}

static void do_start(void)
{
    uint32_t n = any_node();
    const struct grid_node *is = grid_state_node(m.s, n);
    if (!up(n) && is && is->state == NODE_UP)
        do_notice(); /* as plan.h: first it is settled who is gone */
    if (!m.runs[n])
        m.life[n]++;
    m.runs[n] = true;
    if (up(n))
        return;
    struct past e = {.c = {.kind = GRID_ENTER, .now = 2}, .info = info_of(n, m.life[n])};
    e.c.u.enter = &e.info;
    enum grid_err err = perform_kept(&e, false);
    claim(err == (m.removed[n] ? GRID_EDENIED : GRID_OK), "an entry is refused, or is not");
}

static void do_write(void)
{
    uint32_t k = below(CONTEXTS), p = below(PARTS);
    struct replica_config c = config(m.s, m.context[k], p);
    if (!c.led || !up(c.members[0].node) || m.written[k][p] == RECORDS)
        return;
    uint64_t record = (uint64_t)1 << m.written[k][p]++;
    bool all = c.in_sync >= info_at(k)->min_in_sync;
    struct place_of *from = &m.copy[c.members[0].node][k][p];
    from->records |= record;
    for (int i = 1; i < c.in_sync; i++) {
        bool takes = up(c.members[i].node) && below(4); /* some are slow */
        all &= takes;
        if (takes)
            m.copy[c.members[i].node][k][p] = *from;
    }
    if (all)
        m.committed[k][p] = from->records;
}

static enum grid_err say(enum part_change_kind kind, uint32_t k, uint32_t p,
                         struct replica_member to)
{
    struct past e = {.part = {kind, m.context[k], p, grid_state_epoch(m.s, m.context[k], p), to}};
    e.c = (struct grid_command){.kind = GRID_PARTS, .u.parts = {&e.part, 1}};
    e.c.u.parts.list = &e.part;
    return perform_kept(&e, kind == PART_RECOVER || kind == PART_RESET);
}

/* Anything that is safe whoever says it. */
static void do_change(void)
{
    static const enum part_change_kind kinds[] = {PART_SHRINK, PART_ADD_JOINING, PART_DROP_JOINING,
                                                  PART_HAND_OVER, PART_ADD_JOINING};
    uint32_t k = below(CONTEXTS), p = below(PARTS), n = any_node();
    enum part_change_kind kind = kinds[below(5)];
    const struct grid_node *is = grid_state_node(m.s, n);
    struct replica_config c = config(m.s, m.context[k], p);
    struct replica_member to = {n, is && below(8) ? is->boot : 1 + below(3)};
    if (kind == PART_SHRINK && c.in_sync > 1 && below(4))
        to = c.members[1 + below(c.in_sync - 1u)];
    if (kind == PART_HAND_OVER) { /* the primary has drained: its backups are as it is */
        if (!c.led || c.in_sync < 2 || !up(c.members[0].node))
            return;
        to = c.members[1 + below(c.in_sync - 1u)];
        for (int i = 1; i < c.in_sync; i++)
            m.copy[c.members[i].node][k][p] = m.copy[c.members[0].node][k][p];
    }
    say(kind, k, p, to);
}

/* A joining member has caught up, and its primary asks. */
static void do_promote(void)
{
    uint32_t k = below(CONTEXTS), p = below(PARTS);
    struct replica_config c = config(m.s, m.context[k], p);
    if (!c.led || !up(c.members[0].node) || c.len == c.complete)
        return;
    struct replica_member to = c.members[c.len - 1];
    if (!up(to.node))
        return;
    m.copy[to.node][k][p] = m.copy[c.members[0].node][k][p];
    claim(say(PART_PROMOTE, k, p, to) == GRID_OK, "a promotion is refused");
}

/* Who leads alone finds that its copy is damaged; nothing was committed since another left. */
static void do_give_back(void)
{
    uint32_t k = below(CONTEXTS), p = below(PARTS), n = any_node();
    struct replica_config c = config(m.s, m.context[k], p);
    const struct grid_node *is = grid_state_node(m.s, n);
    if (!c.led || c.in_sync != 1 || !up(c.members[0].node) || c.members[0].node == n || !is ||
        info_at(k)->durability != DURABILITY_SYNC || !info_at(k)->backups || !has_all(n, k, p))
        return;
    claim(say(PART_GIVE_BACK, k, p, (struct replica_member){n, is->boot}) == GRID_OK,
          "a lead is not given back");
}

static void plan_reports(struct plan_input *in, struct plan_report *reports)
{
    for (uint32_t k = 0; k < CONTEXTS; k++) {
        for (uint32_t p = 0; p < PARTS; p++) {
            struct replica_config c = config(m.s, m.context[k], p);
            for (int i = 0; i < c.complete && !c.led; i++)
                if (up(c.members[i].node))
                    reports[in->reports_len++] =
                        (struct plan_report){.context = m.context[k],
                                             .partition = p,
                                             .member = c.members[i],
                                             .epoch = 1,
                                             .seq = m.copy[c.members[i].node][k][p].records};
        }
    }
}

/* One step of the planner; it is told the truth. False: it had nothing to say. */
static bool do_plan_with(struct plan *plan, msec_t now, bool *ret_settled)
{
    struct plan_node nodes[NODES];
    struct plan_report reports[CONTEXTS * PARTS * NODES];
    struct plan_output *o = malloc(sizeof *o);
    struct plan_input in = {.state = m.s, .now = now, .nodes = nodes, .reports = reports};
    for (size_t i = 0; i < m.s->nodes_len; i++) {
        uint32_t n = m.s->nodes[i].number;
        if (up(n))
            nodes[in.nodes_len++] = (struct plan_node){n, 50, true, false, false};
    }
    plan_reports(&in, reports);
    plan_next(plan, &in, o);
    struct grid_command gone_all = {
        .kind = GRID_GONE, .now = now, .u.gone = {o->gone, o->gone_len}};
    struct grid_command parts = {
        .kind = GRID_PARTS, .now = now, .u.parts = {o->parts, o->parts_len}};
    bool any = o->gone_len || o->parts_len || o->asks_len;
    if (o->gone_len)
        perform(&gone_all, false);
    if (o->parts_len)
        claim(perform(&parts, false) == GRID_OK, "the planner is refused");
    for (size_t i = 0; i < o->parts_len; i++)
        claim(!out.part_err[i] || !o->gone_len, "a change of the planner is refused");
    for (size_t i = 0; i < o->asks_len; i++) {
        const struct plan_ask *a = &o->asks[i];
        uint32_t k = 0;
        while (m.context[k] != a->context)
            k++;
        struct replica_config c = config(m.s, a->context, a->partition);
        if (c.epoch != a->epoch)
            continue;
        for (int j = 1; j < c.in_sync; j++)
            m.copy[c.members[j].node][k][a->partition] = m.copy[c.members[0].node][k][a->partition];
        say(PART_HAND_OVER, k, a->partition, a->to);
    }
    *ret_settled = o->settled;
    free(o);
    return any;
}

static void do_plan(void)
{
    struct plan *plan = plan_new(); /* each time another leader */
    bool settled;
    do_plan_with(plan, below(2) ? 100 : 1000000, &settled);
    plan_free(plan);
}

static void do_operator(void)
{
    uint32_t k = below(CONTEXTS), p = below(PARTS), n = any_node();
    struct replica_config c = config(m.s, m.context[k], p);
    struct grid_command drain = {.kind = GRID_DRAIN, .u.drain = {n, below(2)}};
    perform(&drain, false);
    const struct grid_node *is = grid_state_node(m.s, n);
    if (c.lost)
        say(PART_RESET, k, p, (struct replica_member){0, 0});
    else if (!c.led && is && !below(4))
        say(PART_RECOVER, k, p, (struct replica_member){n, is->boot});
}

static void do_alter(void)
{
    uint32_t k = below(CONTEXTS);
    struct context_info want = *info_at(k);
    want.backups = below(4);
    want.min_in_sync = 1 + below(want.backups + 1);
    if (want.backups == 3)
        want.backups = BACKUPS_ALL;
    struct grid_command c = {.kind = GRID_CONTEXT_ALTER, .u.context = &want};
    claim(perform(&c, false) == GRID_OK, "an alteration is refused");
}

static void do_remove(void)
{
    uint32_t n = any_node();
    bool loss = !below(3);
    if (m.removed[n] || m.s->nodes_len <= 3)
        return;
    struct grid_command c = {
        .kind = GRID_REMOVE, .session = 7, .number = ++m.number, .u.remove = {n, loss}};
    m.removed[n] = perform(&c, loss) == GRID_OK;
}

static void do_again(void) /* an old leader's, or twice in the log */
{
    struct past *e = &m.past[m.past_len ? below(m.past_len) : 0];
    if (!m.past_len)
        return;
    perform(&e->c, false);
    claim(e->c.kind != GRID_ENTER || !out.changed || m.removed[load_u32(e->info.id)] ||
              m.life[load_u32(e->info.id)] > load_u32(e->info.boot_id + 4) + GRID_PAST_BOOTS,
          "an old life enters again");
}

typedef void act_fn(void);
static act_fn *const acts[] = {do_crash,    do_power_cut, do_notice, do_suspect, do_start,
                               do_write,    do_write,     do_change, do_promote, do_plan,
                               do_operator, do_alter,     do_remove, do_again,   do_start,
                               do_promote,  do_give_back};
enum { ACTS = sizeof acts / sizeof *acts };

/* Its context `default` is small, and all on the first founder: it was there before the grid. */
static struct grid_state *small_grid(void)
{
    struct catalog *c = catalog_new_empty();
    struct context_info info = {
        .name = "default", .partitions = PARTS, .backups = below(3), .min_in_sync = 1};
    struct node_info founders[NODES];
    bool voter[NODES] = {true};
    uint8_t id[GRID_ID_BYTES] = "grid";
    ck_assert_int_eq(catalog_context_create(c, &info, out.why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("default/default"), 0, out.why), GRID_OK);
    for (uint32_t i = 0; i < NODES; i++)
        founders[i] = info_of(i + 1, 1);
    struct grid_command found = {.kind = GRID_FOUND,
                                 .u.found = {"home", id, founders, voter, NODES, c, 5}};
    struct grid_state *s = grid_state_new();
    ck_assert_int_eq(apply(s, &found), GRID_OK);
    catalog_unref(c);
    return s;
}

static void begin(uint64_t seed)
{
    static const enum durability kinds[CONTEXTS] = {DURABILITY_SYNC, DURABILITY_SYNC,
                                                    DURABILITY_ASYNC, DURABILITY_MEMORY};
    m = (struct model){.seed = seed, .r = {seed}};
    m.s = small_grid();
    for (uint32_t n = 1; n <= NODES; n++) {
        m.runs[n] = true;
        m.life[n] = m.boots[n] = 1;
    }
    struct grid_command small = {.kind = GRID_SETTING_SET,
                                 .u.setting = {slice_str("rebalance_parallel"), 1 + below(5)}};
    apply(m.s, &small);
    m.context[0] = 1;
    for (uint32_t k = 1; k < CONTEXTS; k++) {
        char name[] = {'c', (char)('0' + k), 0};
        uint32_t backups = below(3);
        m.context[k] = make_context(m.s, name, PARTS, backups, kinds[k], 1 + below(backups + 1));
    }
    for (int i = 0; i < ACTS; i++)
        m.chance[i] = below(3) ? below(10) : 0;
}

static void act(void)
{
    unsigned sum = 0, at = 0;
    for (int i = 0; i < ACTS; i++)
        sum += m.chance[i];
    unsigned pick = sum ? below(sum) : 0;
    while (sum && pick >= m.chance[at])
        pick -= m.chance[at++];
    acts[at]();
}

START_TEST(whatever_happens_who_leads_has_every_committed_record)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        for (int step = 0; step < STEPS; step++)
            act();
        grid_state_unref(m.s);
    }
}
END_TEST

/* --- faults end ------------------------------------------------------------------------------ */

static void all_back(void)
{
    do_notice();
    for (uint32_t n = 1; n <= NODES; n++) {
        if (m.removed[n] || up(n))
            continue;
        if (!m.runs[n])
            m.life[n]++;
        m.runs[n] = true;
        struct node_info i = info_of(n, m.life[n]);
        struct grid_command c = {.kind = GRID_ENTER, .now = 3, .u.enter = &i};
        claim(perform(&c, false) == GRID_OK, "a node cannot come back");
    }
    for (uint32_t k = 0; k < CONTEXTS; k++)
        for (uint32_t p = 0; p < PARTS; p++)
            if (config(m.s, m.context[k], p).lost)
                say(PART_RESET, k, p, (struct replica_member){0, 0});
}

static void copies_settle(void) /* everyone who joins is promoted */
{
    for (uint32_t k = 0; k < CONTEXTS; k++) {
        for (uint32_t p = 0; p < PARTS; p++) {
            struct replica_config c = config(m.s, m.context[k], p);
            for (int i = c.complete; c.led && i < c.len; i++) {
                m.copy[c.members[i].node][k][p] = m.copy[c.members[0].node][k][p];
                say(PART_PROMOTE, k, p, c.members[i]);
            }
        }
    }
}

static void whole(void)
{
    for (uint32_t k = 0; k < CONTEXTS; k++) {
        uint32_t copies = grid_state_copies(m.s, info_at(k));
        for (uint32_t p = 0; p < PARTS; p++) {
            struct replica_config c = config(m.s, m.context[k], p);
            claim(c.led && c.in_sync >= copies && c.len == c.complete, "a copy is missing");
        }
    }
}

START_TEST(when_faults_end_all_copies_are_made_and_then_nothing_moves)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        for (int step = 0; step < STEPS; step++)
            act();
        all_back();
        struct plan *plan = plan_new();
        bool settled = false, any = true;
        int steps = 0;
        for (; (any || !settled) && steps < 4000; steps++) {
            any = do_plan_with(plan, 1000000 + (msec_t)steps * 100, &settled);
            copies_settle();
        }
        claim(settled && !any, "it does not settle");
        if (m.s->nodes_len && grid_state_copies(m.s, info_at(0)))
            whole();
        plan_free(plan);
        grid_state_unref(m.s);
    }
}
END_TEST

UNIT_MAIN("control/model", whatever_happens_who_leads_has_every_committed_record,
          when_faults_end_all_copies_are_made_and_then_nothing_moves)
