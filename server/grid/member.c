/* member.c - the calls. Each begins with the time and ends with what has become new; what is put
 * together over several calls goes out in step(). */
#include "grid/parts_priv.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const phase_names[] = {"seeking", "entering", "in", "refused"};
#define TO(phase) (1u << (phase))
static const uint32_t phase_moves[] = {
    [GRID_SEEKING] = TO(GRID_ENTERING) | TO(GRID_IN) | TO(GRID_REFUSED),
    [GRID_ENTERING] = TO(GRID_IN) | TO(GRID_REFUSED),
    [GRID_IN] = TO(GRID_ENTERING) | TO(GRID_REFUSED),
    [GRID_REFUSED] = TO(GRID_ENTERING) | TO(GRID_IN),
};
static const struct sm_table phases = {"grid_member", phase_names, phase_moves, 4};

void member_phase(struct grid_member *m, enum grid_phase phase)
{
    unsigned at = m->phase;
    if (m->phase != phase)
        sm_move(&phases, &at, phase);
    m->phase = (enum grid_phase)at;
}

void member_why(struct grid_member *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(m->why, sizeof m->why, fmt, args);
    va_end(args);
}

void member_notice(struct grid_member *m, enum grid_notice_kind kind, const char *why)
{
    struct grid_notice n = {.kind = kind,
                            .member = m->self,
                            .why = why ? why : "",
                            .leader = m->leader,
                            .term = m->term};
    m->ports.notice(m->ports.ctx, &n);
}

msec_t member_failure_timeout(const struct grid_member *m)
{
    if (!m->state->catalog)
        return setting_rows[SETTING_failure_timeout].value > 0
                   ? (msec_t)setting_rows[SETTING_failure_timeout].value
                   : 0;
    return (msec_t)catalog_setting(m->state->catalog, SETTING_failure_timeout);
}

/* Those that wait for a state, too. */
static void member_leases_drop(struct grid_member *m)
{
    grid_leases_drop(m->leases);
    for (size_t i = 0; i < m->peers_len; i++)
        m->peers[i]->held = 0;
}

void member_life_over(struct grid_member *m)
{
    if (m->self.boot)
        member_notice(m, GRID_NOTICE_GONE, NULL);
    member_leases_drop(m);
    bool stable = m->self.boot && m->now >= m->entered_at + STABLE_MS;
    m->short_lives = stable ? 0 : m->short_lives + 1;
    msec_t wait = m->short_lives < 2 ? 0 : (msec_t)HELLO_MS << (m->short_lives - 2);
    m->hello_next = m->now + (wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS);
    if (m->short_lives > 16)
        m->short_lives = 16;
    m->self.boot = 0;
    if (m->leaving) {
        member_why(m, "it has left the grid");
        member_phase(m, GRID_REFUSED);
        return;
    }
    if (!SABOTAGE(SAME_BOOT))
        member_random_id(m, m->info.boot_id);
    member_why(m, "was taken for dead; enters again");
    if (m->phase == GRID_IN)
        member_phase(m, GRID_ENTERING);
}

/* --- making one ------------------------------------------------------------------------------- */

static void addresses_set(struct grid_member *m, const char *const *peers, size_t len)
{
    free(m->addresses);
    m->addresses_len = len < GRID_PEERS_MAX ? len : GRID_PEERS_MAX;
    m->addresses = xcalloc(m->addresses_len + 1, sizeof *m->addresses);
    for (size_t i = 0; i < m->addresses_len; i++)
        snprintf(m->addresses[i], sizeof m->addresses[i], "%s", peers[i]);
}

struct grid_member *grid_member_new(const struct grid_member_conf *conf, const struct grid_ports *p,
                                    const struct grid_codec *codec, msec_t now, msec_t wall)
{
    struct grid_member *m = xcalloc(1, sizeof *m);
    snprintf(m->grid, sizeof m->grid, "%s", conf->grid);
    m->info = *conf->info;
    m->expect = conf->bootstrap_expect;
    m->adopt = conf->adopt ? catalog_copy(conf->adopt) : NULL;
    m->adopt_epoch = conf->adopt_epoch;
    m->has_data = conf->has_data;
    m->catalog_known = conf->identity.number ? conf->catalog_known : 0;
    m->prng[0].state = conf->seed[0];
    m->prng[1].state = conf->seed[1];
    m->ports = *p;
    m->codec = *codec;
    m->now = m->woke = now;
    m->wall = wall;
    addresses_set(m, conf->peers, conf->peers_len);
    m->identity = m->stable = conf->identity;
    m->self.node = m->identity.number;
    m->state = grid_state_new();
    m->leases = grid_leases_new(now);
    m->tail = codec->tail_new(TAIL_BYTES);
    grid_detector_init(&m->detector, member_failure_timeout(m), GRID_BEAT_MS);
    list_init(&m->proposals);
    list_init(&m->asked);
    news_init(&m->reports, sizeof(struct plan_report), offsetof(struct plan_report, epoch));
    news_init(&m->progress, sizeof(struct plan_progress),
              offsetof(struct plan_progress, bytes_left));
    do
        m->session = prng_next(&m->prng[1]);
    while (!m->session);
    m->hello_next = m->beat_next = now;
    m->hurry_next = UINT64_MAX;
    m->welcomed_at = m->began_at = now;
    if (!id_is_zero(m->identity.grid_id)) {
        m->phase = GRID_ENTERING;
        member_why(m, "asks to enter the grid");
    }
    if (conf->raft && m->identity.number &&
        (conf->raft->term || conf->raft->snapshot.index || conf->raft->entries_len))
        consensus_start(m, conf->raft);
    return m;
}

void grid_member_free(struct grid_member *m)
{
    if (!m)
        return;
    asking_end(m);
    if (m->lead)
        lead_stop(m);
    answering_end(m);
    raft_free(m->raft);
    for (size_t i = 0; i < m->peers_len; i++) {
        free(m->peers[i]->hello);
        free(m->peers[i]);
    }
    free(m->peers);
    free(m->addresses);
    free(m->jobs);
    catalog_unref(m->adopt);
    grid_state_unref(m->applied);
    grid_state_unref(m->newer);
    grid_state_unref(m->state);
    grid_leases_free(m->leases);
    grid_detector_release(&m->detector);
    m->codec.tail_free(m->tail);
    news_release(&m->reports);
    news_release(&m->progress);
    buf_release(&m->founded);
    buf_release(&m->piece);
    buf_release(&m->snapshot);
    free(m);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void begin(struct grid_member *m, msec_t now)
{
    if (now > m->now + ASLEEP_MS && !SABOTAGE(SLEEPY_LEADER)) {
        m->woke = now;
        grid_detector_start(&m->detector, now);
    }
    if (now > m->now)
        m->now = now;
}

static void end(struct grid_member *m)
{
    publish_step(m);
    stream_push(m);
    for (size_t i = 0; i < m->peers_len; i++) {
        struct grid_peer *p = m->peers[i];
        if (p->welcome)
            welcome_send(m, p, p->enter_boot, p->refused[0] ? p->refused : NULL);
        p->welcome = false;
    }
}

void grid_member_step(struct grid_member *m, msec_t now, msec_t wall)
{
    begin(m, now);
    m->wall = wall;
    known_forget(m);
    consensus_tick(m);
    publish_step(m);
    founding_step(m);
    joining_step(m);
    stream_step(m);
    beacons_step(m);
    news_step(m);
    lead_step(m);
    m->submit_wanted = false;
    asking_step(m);
    answering_step(m);
    end(m);
}

msec_t grid_member_next(const struct grid_member *m)
{
    if (m->submit_wanted || m->news_wanted)
        return m->now;
    msec_t next = m->beat_next;
    msec_t others[] = {joining_next(m),
                       asking_next(m),
                       lead_next(m),
                       m->hurry_next,
                       m->raft ? raft_view(m->raft).wake : UINT64_MAX,
                       m->reports.len || m->progress.len ? m->news_at : UINT64_MAX};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        next = others[i] < next ? others[i] : next;
    return next;
}

struct handler {
    void (*handle)(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
    bool any_grid; /* also of who is in no grid, or in another */
};

static const struct handler handlers[] = {
    [GRID_MSG_HELLO] = {member_on_hello, true},      [GRID_MSG_WELCOME] = {member_on_welcome, true},
    [GRID_MSG_BEACON] = {member_on_beacon, false},   [GRID_MSG_RAFT] = {member_on_raft, false},
    [GRID_MSG_PIECE] = {member_on_piece, false},     [GRID_MSG_DELTA] = {member_on_delta, false},
    [GRID_MSG_PROPOSE] = {member_on_propose, false}, [GRID_MSG_OUTCOME] = {member_on_answer, false},
    [GRID_MSG_NEWS] = {member_on_news, false},       [GRID_MSG_ASK] = {member_on_ask, false},
};

void grid_member_receive(struct grid_member *m, msec_t now, const struct grid_message *msg,
                         const char *address)
{
    begin(m, now);
    if (msg->kind < GRID_MSG_HELLO || msg->kind > GRID_MSG_ASK || id_eq(msg->from, m->info.id))
        return;
    const struct handler *h = &handlers[msg->kind];
    bool ours = !id_is_zero(m->identity.grid_id) && id_eq(msg->grid_id, m->identity.grid_id);
    struct grid_peer *p = h->any_grid || ours ? known_make(m, msg->from) : NULL;
    if (!p)
        return;
    p->seen = m->now;
    p->closed_at = 0;
    known_address(p, address);
    h->handle(m, p, msg);
    end(m);
}

void grid_member_persisted(struct grid_member *m, msec_t now, uint64_t job)
{
    begin(m, now);
    consensus_persisted(m, job);
    end(m);
}

void grid_member_closed(struct grid_member *m, msec_t now, const uint8_t *id)
{
    begin(m, now);
    struct grid_peer *p = known_by_id(m, id);
    if (!p || !m->self.boot || !p->life.boot)
        return;
    p->closed_at = p->closed_at ? p->closed_at : m->now;
    consensus_closed(m, p->number);
    if (m->lead)
        grid_detector_hint(&m->detector, p->life, m->now);
    beacon_send(m, p, true);
}

void grid_member_peers(struct grid_member *m, const char *const *peers, size_t len)
{
    addresses_set(m, peers, len);
}

enum { ALTER_PATIENCE_MS = 60000, STEP_DOWN_MS = 1500 };

void grid_member_alter(struct grid_member *m, const struct node_info *info)
{
    struct node_info next = *info;
    id_copy(next.id, m->info.id);
    id_copy(next.boot_id, m->info.boot_id);
    m->info = next;
    struct grid_command c = {.kind = GRID_ALTER};
    c.u.alter = &m->info;
    if (m->phase != GRID_IN)
        return; /* it enters with what it is now */
    enum grid_err err = grid_member_propose(m, &c, m->now + ALTER_PATIENCE_MS, GRID_TICKET_NONE);
    if (err)
        member_why(m, "its new address cannot be told yet: %s", err_text(err));
}

void grid_member_step_down(struct grid_member *m, msec_t now)
{
    begin(m, now);
    m->step_down = true;
    m->step_down_by = m->now + STEP_DOWN_MS;
    m->beat_next = m->now; /* nobody gives it anything from here on */
    if (m->lead)
        m->lead->plan_at = m->now;
}

/* A partition that is handed over stands still until the log has said so: not while the log has no
 * leader. */
bool grid_member_may_drain(const struct grid_member *m)
{
    if (m->now >= m->step_down_by)
        return true;
    if (m->leading)
        return lead_is_last(m);
    return m->leader != 0 && m->leader != m->self.node;
}

void grid_member_released(struct grid_member *m, msec_t now)
{
    begin(m, now);
    m->released = true; /* so nothing is read on the word of others any more */
    member_leases_drop(m);
    m->beat_next = m->now;
}

enum grid_err grid_member_leave(struct grid_member *m, msec_t deadline, uint64_t ticket)
{
    struct replica_member self = m->self;
    struct grid_command c = {.kind = GRID_GONE};
    c.u.gone.list = &self;
    c.u.gone.len = 1;
    m->leaving = true;
    return grid_member_propose(m, &c, deadline, ticket);
}

/* --- to look at --- */

struct grid_state *grid_member_state(const struct grid_member *m)
{
    return m->state;
}

struct grid_leases *grid_member_leases(const struct grid_member *m)
{
    return m->leases;
}

void grid_member_status(const struct grid_member *m, msec_t now, struct grid_member_status *s)
{
    memset(s, 0, sizeof *s);
    s->phase = m->phase;
    s->self = m->self;
    s->for_good = m->phase != GRID_IN && m->for_good;
    s->leads = m->lead != NULL;
    s->leader = m->leader;
    s->term = m->term;
    s->settled = m->lead && m->lead->settled;
    s->misplaced = m->lead ? m->lead->misplaced : 0;
    memcpy(s->why, m->why, sizeof s->why);
    if (m->raft) {
        struct raft_view v = raft_view(m->raft);
        s->voter = raft_is_voter(v.members, m->self.node);
        s->index = v.applied;
        if (m->lead) /* others may know of a later one already */
            s->term = v.term;
    }
    if (m->phase == GRID_IN && !m->leader)
        snprintf(s->why, sizeof s->why, "nobody leads the control plane");
    for (size_t i = 0; i < m->peers_len && s->suspects_len < GRID_QUIET_MAX; i++) {
        const struct grid_peer *p = m->peers[i];
        if (grid_state_lives(m->state, p->life) && now > p->heard + member_failure_timeout(m) / 2)
            s->suspects[s->suspects_len++] = p->number;
    }
}

void grid_member_check(const struct grid_member *m)
{
    CHECK(!m->newer || m->newer->revision > m->state->revision);
    CHECK(!m->lead || m->leading);
    CHECK(m->phase != GRID_IN || (m->self.node && m->self.boot));
    CHECK(m->self.node == m->identity.number);
    for (size_t i = 1; i < m->jobs_len; i++)
        CHECK(m->jobs[i].job == m->jobs[i - 1].job + 1);
    grid_detector_check(&m->detector);
    news_check(&m->reports);
    news_check(&m->progress);
    if (m->raft)
        raft_check(m->raft);
    grid_state_check(m->state);
}
