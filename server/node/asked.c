/* asked.c - what the program around a node asks of it, from threads of its own: it goes to the
 * control thread as a note, and the caller waits. A note that comes when the control thread has
 * ended is run by its loop's end, and does nothing. */
#include "node/administration_priv.h"
#include "node/start_priv.h"

#include <stdio.h>

/* One thing asked; lives in the caller. */
struct inquiry {
    struct note note;
    struct node *node;
    const struct node_conf *conf;
    char *why;
    struct buf *samples;
    bool answered;
    enum grid_err err;
};

static void answer(struct inquiry *a, enum grid_err err)
{
    pthread_mutex_lock(&a->node->lock);
    a->err = err;
    a->answered = true;
    pthread_cond_broadcast(&a->node->told);
    pthread_mutex_unlock(&a->node->lock);
}

static enum grid_err ask(struct inquiry *a, void (*run)(struct note *n, void *thread))
{
    struct node *n = a->node;
    a->note.run = run;
    pthread_mutex_lock(&n->lock);
    a->answered = n->state != NODE_SERVES;
    a->err = GRID_ECLOSED;
    if (!a->answered)
        loop_post(n->loop, &a->note.mail);
    while (!a->answered)
        pthread_cond_wait(&n->told, &n->lock);
    pthread_mutex_unlock(&n->lock);
    return a->err;
}

/* Control has ended: there are no workers to be told anything. */
static bool over(const struct node *n)
{
    return !n->workers || node_failed(n);
}

static void reload_run(struct note *note, void *thread)
{
    struct inquiry *a = container_of(note, struct inquiry, note);
    answer(a, over(thread) ? GRID_ECLOSED : reload_take(thread, a->conf, a->why));
}

enum grid_err node_reload(struct node *n, const struct node_conf *conf, char *why)
{
    struct inquiry a = {.node = n, .conf = conf, .why = why};
    why[0] = '\0';
    enum grid_err err = ask(&a, reload_run);
    if (err == GRID_ECLOSED && !why[0])
        snprintf(why, NODE_WHY_BYTES, "%s", "the node has ended");
    return err;
}

static void measured(void *ctx, enum grid_err err, struct slice reply)
{
    struct inquiry *a = ctx;
    buf_add(a->samples, reply.data, reply.len);
    answer(a, err);
}

static void measure_run(struct note *note, void *thread)
{
    struct inquiry *a = container_of(note, struct inquiry, note);
    if (over(thread)) {
        answer(a, GRID_ECLOSED);
        return;
    }
    struct job *j = job_new(thread, &(struct admin_request){.op = ADMIN_METRICS});
    j->heard = measured;
    j->heard_ctx = a;
    j->note.run(&j->note, thread);
}

enum grid_err node_measure(struct node *n, struct buf *samples)
{
    struct inquiry a = {.node = n, .samples = samples};
    return ask(&a, measure_run);
}
