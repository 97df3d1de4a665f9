/* membership_conf.c - what gridd.conf says of this node as one of several: where others are found,
 * labels, weight, certificates of links; at the start, and read anew. */
#include "control/level.h"
#include "node/membership_priv.h"
#include "node/start_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* --- where others are found ------------------------------------------------------------------- */

void membership_seeds(struct membership *m)
{
    const char *all[PEERS_SEEDS_MAX];
    const struct node_conf *c = &m->node->conf;
    size_t n = 0;
    for (size_t i = 0; i < c->peers_len && n < SEEDS_OF_CONF_MAX; i++)
        all[n++] = c->peers[i];
    for (size_t i = 0; i < HEARD_MAX; i++)
        if (m->heard[i][0])
            all[n++] = m->heard[i];
    peers_set_seeds(m->peers, all, n);
}

void membership_seed_add(struct membership *m, const char *address)
{
    for (size_t i = 0; i < m->node->conf.peers_len; i++)
        if (strcmp(m->node->conf.peers[i], address) == 0)
            return;
    for (size_t i = 0; i < HEARD_MAX; i++)
        if (strcmp(m->heard[i], address) == 0)
            return;
    snprintf(m->heard[m->heard_next++ % HEARD_MAX], sizeof m->heard[0], "%s", address);
    membership_seeds(m);
}

/* --- what others are told --------------------------------------------------------------------- */

struct tls_conf tls_conf_of_peers(const struct node_conf *c)
{
    struct tls_conf tls = tls_conf_of(c);
    tls.peer = TLS_PEER_NODE;
    return tls;
}

/* What may change while it runs. */
static enum grid_err info_of(const struct node_conf *c, struct node_info *info, char *why)
{
    struct buf labels = BUF_INIT;
    for (size_t i = 0; i < c->labels_len; i++)
        buf_printf(&labels, "%s%s", i ? "," : "", c->labels[i]);
    bool fits = labels.len <= GRID_LABELS_BYTES_MAX;
    memset(info->labels, 0, sizeof info->labels);
    if (fits && labels.len)
        memcpy(info->labels, labels.data, labels.len);
    buf_release(&labels);
    info->weight = c->weight ? c->weight : 1;
    if (fits)
        return GRID_OK;
    snprintf(why, NODE_WHY_BYTES, "node: labels are longer than %d bytes together",
             GRID_LABELS_BYTES_MAX);
    return GRID_EBAD_REQUEST;
}

enum grid_err membership_info(struct membership *m, char *why)
{
    struct node *n = m->node;
    struct node_info *info = &m->info;
    memcpy(info->id, meta_info(n->meta)->node_id, GRID_ID_BYTES);
    CHECK(getrandom(info->boot_id, sizeof info->boot_id, 0) == sizeof info->boot_id);
    snprintf(info->name, sizeof info->name, "%s", n->conf.name);
    info->shards = n->shards;
    info->level = GRID_LEVEL;
    enum grid_err err = info_of(&n->conf, info, why);
    return err ? err : doors_addresses(n, info, m->listener, why);
}

/* --- read anew -------------------------------------------------------------------------------- */

enum grid_err membership_judge(struct node *n, const struct node_conf *conf, char *why)
{
    struct node_info info = n->membership->info;
    struct tls_conf tls = tls_conf_of_peers(conf);
    enum grid_err err = info_of(conf, &info, why);
    return err || !n->membership->tls ? err : tls_reload(n->membership->tls, &tls, why);
}

void membership_reload(struct node *n)
{
    struct membership *m = n->membership;
    char why[NODE_WHY_BYTES];
    struct node_info info = m->info;
    CHECK(info_of(&n->conf, &info, why) == GRID_OK); /* judged */
    grid_member_peers(m->member, n->conf.peers, n->conf.peers_len);
    membership_seeds(m);
    if (memcmp(&info, &m->info, sizeof info) != 0) {
        m->info = info;
        grid_member_alter(m->member, &info);
    }
    loop_timer_set(&m->timer, 0);
}
