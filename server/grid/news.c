/* news.c - what the planner must be told: how far members of unled partitions have got, and how
 * joining ones get on. Each node keeps its own and says it again, so that a new leader, or one that
 * missed it, gets to know. */
#include "grid/parts_priv.h"

static bool report_holds(const void *ctx, const void *row)
{
    const struct grid_state *s = ctx;
    const struct plan_report *r = row;
    struct replica_config c;
    return grid_state_config(s, r->context, r->partition, &c) && !c.led &&
           grid_state_lives(s, r->member);
}

static bool progress_holds(const void *ctx, const void *row)
{
    const struct grid_state *s = ctx;
    const struct plan_progress *p = row;
    struct replica_config c;
    return grid_state_config(s, p->context, p->partition, &c) && c.led && c.complete < c.len;
}

/* Rows are compared as bytes: what lies between their fields must be nothing. */
static void put_report(struct news *n, const struct plan_report *r)
{
    struct plan_report row;
    memset(&row, 0, sizeof row);
    row.context = r->context;
    row.partition = r->partition;
    row.member = r->member;
    row.epoch = r->epoch;
    row.seq = r->seq;
    row.broken = r->broken;
    (void)news_put(n, &row);
}

static void put_progress(struct news *n, const struct plan_progress *p)
{
    struct plan_progress row;
    memset(&row, 0, sizeof row);
    row.context = p->context;
    row.partition = p->partition;
    row.bytes_left = p->bytes_left;
    (void)news_put(n, &row);
}

void grid_member_report(struct grid_member *m, const struct plan_report *r)
{
    put_report(&m->reports, r);
    m->news_wanted = true;
}

void grid_member_progress(struct grid_member *m, const struct plan_progress *p)
{
    put_progress(&m->progress, p);
    m->news_wanted = true;
}

void news_of_lead(struct grid_member *m)
{
    for (size_t i = 0; i < m->reports.len; i++)
        put_report(&m->lead->reports, (const struct plan_report *)(void *)m->reports.rows + i);
    for (size_t i = 0; i < m->progress.len; i++)
        put_progress(&m->lead->progress,
                     (const struct plan_progress *)(void *)m->progress.rows + i);
}

void news_purge(struct grid_member *m)
{
    news_keep(&m->lead->reports, report_holds, m->state);
    news_keep(&m->lead->progress, progress_holds, m->state);
}

static void tell(struct grid_member *m, const struct grid_peer *leader)
{
    const struct plan_report *reports = (const void *)m->reports.rows;
    const struct plan_progress *progress = (const void *)m->progress.rows;
    size_t most = m->reports.len > m->progress.len ? m->reports.len : m->progress.len;
    for (size_t at = 0; at < most; at += GRID_NEWS_MAX) {
        struct grid_message msg;
        member_message(m, &msg, GRID_MSG_NEWS);
        struct grid_news *n = &msg.u.news;
        size_t left = m->reports.len > at ? m->reports.len - at : 0;
        n->reports = left ? reports + at : NULL;
        n->reports_len = left < GRID_NEWS_MAX ? left : GRID_NEWS_MAX;
        left = m->progress.len > at ? m->progress.len - at : 0;
        n->progress = left ? progress + at : NULL;
        n->progress_len = left < GRID_NEWS_MAX ? left : GRID_NEWS_MAX;
        member_send(m, leader, &msg);
    }
}

void news_step(struct grid_member *m)
{
    if (!m->reports.len && !m->progress.len)
        m->news_wanted = false;
    else if (!m->news_wanted && m->now < m->news_at)
        return;
    else
        m->news_at = m->now + NEWS_MS;
    m->news_wanted = false;
    news_keep(&m->reports, report_holds, m->state);
    news_keep(&m->progress, progress_holds, m->state);
    const struct grid_peer *leader = known_by_number(m, m->leader);
    if (m->lead)
        news_of_lead(m);
    else if (leader)
        tell(m, leader);
}

void member_on_news(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_news *n = &msg->u.news;
    if (!m->lead)
        return;
    for (size_t i = 0; i < n->reports_len; i++)
        if (n->reports[i].member.node == p->number && report_holds(m->state, &n->reports[i]))
            put_report(&m->lead->reports, &n->reports[i]);
    for (size_t i = 0; i < n->progress_len; i++)
        if (progress_holds(m->state, &n->progress[i]))
            put_progress(&m->lead->progress, &n->progress[i]);
}
