/* users.c - who may come in by name and password, and what each may do: each worker has a gate and
 * a list of its own. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/rights.h"
#include "node/start_priv.h"

#include <stdlib.h>

struct change {
    struct note note;
    struct gate *gate;
    struct rights_list *rights;
};

static enum grid_err ask(void *ctx, const char *user, const char *password)
{
    struct worker *w = ctx;
    return gate_ask(w->gate, user, password, loop_mono_ms(w->loop));
}

static void change_run(struct note *n, void *thread)
{
    struct change *c = container_of(n, struct change, note);
    struct worker *w = thread;
    gate_free(w->gate);
    w->gate = c->gate;
    w->ports.authenticate = w->gate ? ask : NULL;
    struct rights_list *old = w->ports.rights;
    w->ports.rights = c->rights;
    session_rights_news(w->ports.errands);
    rights_list_free(old);
    free(c);
}

void users_set(struct node *n, const struct node_conf *conf)
{
    for (unsigned i = 0; i < n->shards; i++) {
        struct change *c = xalloc(sizeof *c);
        *c = (struct change){.note = {.run = change_run}};
        if (conf->users_len)
            c->gate = gate_new(conf->users, conf->users_len);
        if (conf->rights_len)
            c->rights = rights_list_new(conf->rights, conf->rights_len);
        worker_post(&n->workers[i], &c->note);
    }
}
