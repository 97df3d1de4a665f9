/* holder.c - lives and their calls. What is done next is decided in one place, life_go(), from what
 * the life is and what is wanted of it; all else only notes what happened and calls that. */
#include "coordination/holder.h"

#include "base/alloc.h"
#include "base/list.h"
#include "compute/sabotage.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LEASE_LOOK_MS = 50,
    LOOK_MS = 250, /* while none is here, and some are deployed */
    HEALTH_MS = 1000,
    BACKOFF_MS = 100,
    BACKOFF_MS_MAX = 10000,
    SETTLED_MS = 60000, /* who ran so long begins with the least backoff again */
    ERROR_MAX = 4096,
};

struct waiting_call {
    struct list link; /* life.calls */
    struct ticket ticket;
    bool again, begun;
    size_t method_len, arg_len;
    uint8_t bytes[];
};

struct life {
    struct list all; /* holder.lives */
    struct holder *holder;
    struct service *service; /* its own reference */
    uint64_t code;
    uint32_t number, partition;
    enum life_state state;
    bool busy;      /* a piece of work runs */
    bool over;      /* it is to be stopped, then started again if it is wanted */
    bool fresh;     /* nothing was ever run in it */
    bool done_with; /* KEY: its place is needed; a call before its end takes that back */
    enum service_work_kind doing;
    uint64_t token; /* 0: not here */
    msec_t since, begin_at, backoff;
    msec_t every, tick_at, health_at, used;
    bool has_health, tick_due, health_due;
    struct list calls;
    uint32_t calls_len;
    uint64_t answered, failures;
    char error[ERROR_MAX];
    size_t error_len;
    void *host;
    size_t key_len;
    uint8_t key[];
};

struct holder {
    struct holder_ports ports;
    struct catalog *catalog;
    struct list lives;
    size_t len, keys;
    bool closed;
};

static const char *const state_texts[] = {
#define X(name, text) text,
    LIFE_STATES(X)
#undef X
};

/* --- small things ----------------------------------------------------------------------------- */

const struct service_info *life_service(const struct life *l)
{
    return &l->service->info;
}

uint64_t life_code(const struct life *l)
{
    return l->code;
}

struct slice life_key(const struct life *l)
{
    return slice_make(l->key, l->key_len);
}

uint32_t life_number(const struct life *l)
{
    return l->number;
}

uint32_t life_partition(const struct life *l)
{
    return l->partition;
}

void **life_host(struct life *l)
{
    return &l->host;
}

static void state_set(struct life *l, enum life_state state, msec_t now)
{
    if (l->state != state)
        l->since = now;
    l->state = state;
}

static void error_set(struct life *l, struct slice text)
{
    l->error_len = text.len < ERROR_MAX ? text.len : ERROR_MAX;
    if (l->error_len)
        memcpy(l->error, text.data, l->error_len);
}

static void answer(struct holder *h, const struct ticket *to, enum grid_err err, struct slice text)
{
    struct result res = {.status = err, .value = text};
    if (!err)
        res.reply = text.len ? REPLY_BULK : REPLY_OK;
    res.repeated = err == GRID_EIN_DOUBT; /* nobody is to ask again for the caller */
    h->ports.reply(h->ports.ctx, to, &res);
}

/* --- calls that wait -------------------------------------------------------------------------- */

static void call_end(struct life *l, struct waiting_call *c, enum grid_err err, struct slice text)
{
    struct ticket to = c->ticket;
    list_remove(&c->link);
    l->calls_len--;
    answer(l->holder, &to, err, text);
    free(c);
}

static struct waiting_call *call_first(struct life *l)
{
    return list_empty(&l->calls) ? NULL : list_entry(l->calls.next, struct waiting_call, link);
}

/* The one that is under way keeps its place until it is done. */
static void calls_refuse(struct life *l, enum grid_err err, struct slice text)
{
    list_for_each_safe (it, &l->calls) {
        struct waiting_call *c = list_entry(it, struct waiting_call, link);
        if (!c->begun)
            call_end(l, c, err, text);
    }
}

/* --- what is wanted --------------------------------------------------------------------------- */

/* Where it stands in the catalog today; NULL: nowhere. */
static const struct service *deployed(const struct life *l)
{
    const struct service_info *was = &l->service->info;
    const struct service *now = catalog_service(l->holder->catalog, slice_str(was->name));
    bool same = now && now->info.mode == was->mode && now->info.context == was->context;
    if (same && service_bound(was))
        same = l->number < service_bound(&now->info) &&
               now->info.partitions[l->number] == l->partition;
    return same ? now : NULL;
}

/* The token that it has now; 0: it is not here. */
static uint64_t token_now(const struct life *l, const struct service *s)
{
    const struct holder_ports *ports = &l->holder->ports;
    uint64_t epoch = 0;
    if (s->info.mode == SERVICE_NODE)
        return ports->labelled(ports->ctx, s->info.labels) ? service_token(s->info.version, 0) : 0;
    if (!ports->leads(ports->ctx, s->info.context, l->partition, &epoch) &&
        !(WORK_RULE_OFF(LEASE) && l->token))
        return 0;
    return service_token(WORK_RULE_OFF(TOKEN) ? 0 : service_version(&s->info, l->number),
                         WORK_RULE_OFF(TOKEN) ? 1 : epoch);
}

/* Not needed any more: one of a key that nobody calls. */
static bool idle(const struct life *l, msec_t now)
{
    return l->service->info.mode == SERVICE_KEY && !l->calls_len && !l->busy &&
           (l->done_with || now >= l->used + HOLDER_KEY_IDLE_MS);
}

static void life_over(struct life *l)
{
    struct holder *h = l->holder;
    if (l->over)
        return;
    l->over = true;
    if (!l->fresh)
        h->ports.over(h->ports.ctx, l);
}

/* --- work ------------------------------------------------------------------------------------- */

static void run(struct life *l, enum service_work_kind kind, msec_t now)
{
    struct holder *h = l->holder;
    struct service_work w = {.kind = kind, .token = l->token};
    l->busy = true;
    l->doing = kind;
    l->fresh = false;
    if (kind == SERVICE_START)
        state_set(l, LIFE_STARTING, now);
    else if (kind == SERVICE_STOP)
        state_set(l, LIFE_STOPPING, now);
    if (kind == SERVICE_CALL) {
        struct waiting_call *c = call_first(l);
        c->begun = true;
        w.method = slice_make(c->bytes, c->method_len);
        w.arg = slice_make(c->bytes + c->method_len, c->arg_len);
        l->used = now;
    }
    h->ports.run(h->ports.ctx, l, &w);
}

static void life_free(struct life *l)
{
    struct holder *h = l->holder;
    h->len--;
    h->keys -= l->service->info.mode == SERVICE_KEY;
    list_remove(&l->all);
    service_unref(l->service);
    free(l);
}

/* It is stopped, or was never begun: gone, or as one that begins. */
static void life_end(struct life *l, bool wanted, msec_t now)
{
    struct holder *h = l->holder;
    if (l->host)
        h->ports.gone(h->ports.ctx, l);
    l->host = NULL;
    l->over = false;
    l->fresh = true;
    l->token = 0;
    l->has_health = l->tick_due = l->health_due = false;
    l->every = 0;
    if (wanted)
        state_set(l, LIFE_WAITING, now);
    else
        life_free(l);
}

/* None of these calls was begun: what failed was before them. */
static void calls_tell_failed(struct life *l)
{
    char text[ERROR_MAX + 64];
    int len = snprintf(text, sizeof text, "it failed, and begins anew in a moment: %.*s",
                       (int)l->error_len, l->error);
    calls_refuse(l, GRID_ESERVICE, slice_make(text, (size_t)len));
}

/* Or not yet: calls are told why. */
static void life_begin(struct life *l, const struct service *s, msec_t now)
{
    struct holder *h = l->holder;
    uint64_t code = h->ports.code(h->ports.ctx, &s->info);
    if (s != l->service) {
        service_unref(l->service);
        l->service = service_ref((struct service *)(uintptr_t)s);
    }
    if (!code) {
        state_set(l, LIFE_NO_CODE, now);
        calls_refuse(l, GRID_ENO_SERVICE, slice_str("its code is not on the node where it lives"));
        return;
    }
    if (code != l->code)
        l->begin_at = 0; /* it may be better */
    l->code = code;
    state_set(l, LIFE_WAITING, now);
    if (now < l->begin_at) {
        calls_tell_failed(l);
        return;
    }
    run(l, SERVICE_START, now);
}

/* It is not here: who is asked next knows. */
static void calls_pass_on(struct life *l, const struct service *s)
{
    struct slice name = slice_str(l->service->info.name);
    bool gone = !l->holder->closed && !s && !catalog_service(l->holder->catalog, name);
    bool node = s && s->info.mode == SERVICE_NODE;
    calls_refuse(l, gone || node ? GRID_ENO_SERVICE : GRID_ENOT_PRIMARY, slice_make(NULL, 0));
}

/* What runs next in one that runs. */
static void life_next(struct life *l, msec_t now)
{
    if (l->health_due) {
        l->health_due = false;
        run(l, SERVICE_HEALTH, now);
    } else if (l->tick_due) {
        l->tick_due = false;
        run(l, SERVICE_TICK, now);
    } else if (!list_empty(&l->calls)) {
        run(l, SERVICE_CALL, now);
    }
}

/* Do what is due. It may be gone then. */
static void life_go(struct life *l, msec_t now)
{
    struct holder *h = l->holder;
    const struct service *s = h->closed ? NULL : deployed(l);
    uint64_t token = s ? token_now(l, s) : 0;
    bool other = s && (service_version(&s->info, l->number) !=
                           service_version(&l->service->info, l->number) ||
                       h->ports.code(h->ports.ctx, &s->info) != l->code);
    bool wanted = token && !idle(l, now);
    if (!token)
        calls_pass_on(l, s);
    if (!wanted || (!l->fresh && other))
        life_over(l);
    if (!l->over)
        l->token = token;
    if (l->busy)
        return;
    if (l->over && l->fresh)
        life_end(l, wanted, now);
    else if (l->over && l->state != LIFE_STOPPING)
        run(l, SERVICE_STOP, now);
    else if (l->fresh)
        life_begin(l, s, now);
    else if (l->state == LIFE_RUNNING)
        life_next(l, now);
}

/* --- what was done ---------------------------------------------------------------------------- */

static void failed(struct life *l, struct slice text, msec_t now)
{
    bool settled = l->state == LIFE_RUNNING && now >= l->since + SETTLED_MS;
    l->backoff = settled || !l->backoff ? BACKOFF_MS : l->backoff * 2;
    if (l->backoff > BACKOFF_MS_MAX)
        l->backoff = BACKOFF_MS_MAX;
    l->begin_at = now + l->backoff;
    error_set(l, text);
    life_over(l);
}

/* The answer counts when it is still here: only then it knows what it says. */
static void call_done(struct life *l, const struct service_outcome *o)
{
    struct waiting_call *c = call_first(l);
    const struct service *s = deployed(l);
    bool here = s && !l->over && token_now(l, s);
    CHECK(c && c->begun);
    if (WORK_RULE_OFF(LOOK))
        here = true;
    if (!here) {
        call_end(l, c, c->again ? GRID_ENOT_PRIMARY : GRID_EIN_DOUBT, slice_make(NULL, 0));
        return;
    }
    l->answered++;
    l->failures += o->failed;
    if (o->failed)
        error_set(l, o->text);
    call_end(l, c, o->failed ? GRID_ESERVICE : GRID_OK, o->text);
}

static void started(struct life *l, const struct service_outcome *o, msec_t now)
{
    l->has_health = o->has_health;
    l->every = o->every_ms;
    l->tick_at = now + l->every;
    l->health_at = now + HEALTH_MS;
    state_set(l, LIFE_RUNNING, now);
}

void holder_done(struct holder *h, struct life *l, const struct service_outcome *o, msec_t now)
{
    CHECK(l->busy && l->holder == h);
    l->busy = false;
    switch (l->doing) {
    case SERVICE_START:
        if (!l->over && !o->failed)
            started(l, o, now);
        break;
    case SERVICE_STOP: {
        const struct service *s = h->closed ? NULL : deployed(l);
        if (o->failed && o->text.len)
            error_set(l, o->text);
        life_end(l, s != NULL, now);
        if (s)
            life_go(l, now);
        return;
    }
    case SERVICE_HEALTH:
    case SERVICE_TICK:
        break;
    case SERVICE_CALL:
        call_done(l, o);
        break;
    }
    bool fatal =
        o->broken || (o->failed && (l->doing == SERVICE_START || l->doing == SERVICE_HEALTH));
    if (fatal && !l->over)
        failed(l, o->text, now);
    else if (o->failed && l->doing == SERVICE_TICK)
        error_set(l, o->text);
    life_go(l, now);
}

/* --- lives ------------------------------------------------------------------------------------ */

static struct life *life_find(const struct holder *h, const char *name, uint32_t number,
                              struct slice key)
{
    list_for_each (it, &h->lives) {
        struct life *l = list_entry(it, struct life, all);
        if (l->number == number && slice_eq(life_key(l), key) &&
            strcmp(l->service->info.name, name) == 0)
            return l;
    }
    return NULL;
}

static struct life *life_new(struct holder *h, struct service *s, uint32_t number,
                             uint32_t partition, struct slice key, msec_t now)
{
    struct life *l = xcalloc(1, sizeof *l + key.len);
    l->holder = h;
    l->service = service_ref(s);
    l->number = number;
    l->partition = partition;
    l->fresh = true;
    l->since = l->used = now;
    l->key_len = key.len;
    if (key.len)
        memcpy(l->key, key.data, key.len);
    list_init(&l->calls);
    list_push_back(&h->lives, &l->all);
    h->len++;
    h->keys += s->info.mode == SERVICE_KEY;
    return l;
}

static bool leads(const struct holder *h, const struct service_info *info, uint32_t partition)
{
    uint64_t epoch;
    return h->ports.leads(h->ports.ctx, info->context, partition, &epoch);
}

/* Those that should be here and are not yet. */
static void lives_make(struct holder *h, struct service *s, msec_t now)
{
    const struct service_info *info = &s->info;
    const struct slice none = {NULL, 0};
    for (uint32_t i = 0; i < service_bound(info); i++)
        if (!life_find(h, info->name, i, none) && leads(h, info, info->partitions[i]))
            (void)life_new(h, s, i, info->partitions[i], none, now);
    if (info->mode == SERVICE_NODE && h->ports.labelled(h->ports.ctx, info->labels) &&
        !life_find(h, info->name, 0, none))
        (void)life_new(h, s, 0, 0, none, now);
}

static void look(struct holder *h, msec_t now)
{
    for (size_t i = 0; !h->closed && i < h->catalog->services_len; i++)
        lives_make(h, h->catalog->services[i], now);
    list_for_each_safe (it, &h->lives)
        life_go(list_entry(it, struct life, all), now);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* The one of a key that nobody has called for longest ends, as it would later. */
static void key_make_room(struct holder *h, msec_t now)
{
    struct life *oldest = NULL;
    list_for_each (it, &h->lives) {
        struct life *l = list_entry(it, struct life, all);
        bool rests = l->service->info.mode == SERVICE_KEY && !l->calls_len && !l->busy && !l->over;
        if (rests && (!oldest || l->used < oldest->used))
            oldest = l;
    }
    if (!oldest)
        return;
    oldest->done_with = true;
    life_go(oldest, now);
}

/* NULL: it was refused. */
static struct life *life_for(struct holder *h, struct service *s, const struct service_call *c,
                             uint32_t partition, msec_t now)
{
    bool key = s->info.mode == SERVICE_KEY;
    struct life *l = life_find(h, s->info.name, c->number, key ? c->key : slice_make(NULL, 0));
    if (l)
        return l;
    if (key && h->keys >= HOLDER_KEYS_MAX) {
        key_make_room(h, now); /* who asks again finds it */
        answer(h, &c->ticket, GRID_EBUSY, slice_make(NULL, 0));
        return NULL;
    }
    return life_new(h, s, c->number, partition, key ? c->key : slice_make(NULL, 0), now);
}

static void call_add(struct life *l, const struct service_call *c)
{
    struct waiting_call *w = xcalloc(1, sizeof *w + c->method.len + c->arg.len);
    w->ticket = c->ticket;
    w->again = c->again;
    w->method_len = c->method.len;
    w->arg_len = c->arg.len;
    if (c->method.len)
        memcpy(w->bytes, c->method.data, c->method.len);
    if (c->arg.len)
        memcpy(w->bytes + c->method.len, c->arg.data, c->arg.len);
    list_push_back(&l->calls, &w->link);
    l->calls_len++;
}

void holder_call(struct holder *h, const struct service_call *c, uint32_t partition, msec_t now)
{
    struct service *s =
        h->closed ? NULL : (struct service *)(uintptr_t)catalog_service(h->catalog, c->name);
    if (h->closed || c->known > h->catalog->services_revision) {
        answer(h, &c->ticket, GRID_ENOT_PRIMARY,
               slice_make(NULL, 0)); /* asked again, until it is */
        return;
    }
    bool bound = s && service_bound(&s->info);
    if (!s || (bound && c->number >= service_bound(&s->info)) || (!bound && c->number)) {
        answer(h, &c->ticket, GRID_ENO_SERVICE, slice_make(NULL, 0));
        return;
    }
    if (bound && s->info.partitions[c->number] != partition) {
        answer(h, &c->ticket, GRID_EBUSY, slice_make(NULL, 0)); /* who asks again knows more */
        return;
    }
    bool here = s->info.mode == SERVICE_NODE ? h->ports.labelled(h->ports.ctx, s->info.labels)
                                             : leads(h, &s->info, partition);
    if (!here) {
        bool node = s->info.mode == SERVICE_NODE;
        answer(h, &c->ticket, node ? GRID_ENO_SERVICE : GRID_ENOT_PRIMARY,
               slice_str(node ? "this node has not the labels of the service" : ""));
        return;
    }
    struct life *l = life_for(h, s, c, partition, now);
    if (!l)
        return;
    if (l->calls_len >= HOLDER_QUEUE_MAX) {
        answer(h, &c->ticket, GRID_EBUSY, slice_make(NULL, 0));
        return;
    }
    call_add(l, c);
    l->done_with = false;
    l->used = now;
    life_go(l, now);
}

/* --- time, life ------------------------------------------------------------------------------- */

static void due_at(msec_t *next, msec_t at, msec_t now)
{
    msec_t left = at > now ? at - now : 0;
    *next = left < *next ? left : *next;
}

static void life_tick(struct life *l, msec_t now)
{
    bool runs = l->state == LIFE_RUNNING;
    if (runs && l->every && now >= l->tick_at) {
        l->tick_due = true;
        l->tick_at = now + l->every;
    }
    if (runs && l->has_health && now >= l->health_at) {
        l->health_due = true;
        l->health_at = now + HEALTH_MS;
    }
}

static void life_due(const struct life *l, msec_t *next, msec_t now)
{
    due_at(next, now + LEASE_LOOK_MS, now);
    if (l->state == LIFE_RUNNING && l->every)
        due_at(next, l->tick_at, now);
    if (l->state == LIFE_RUNNING && l->has_health)
        due_at(next, l->health_at, now);
    if (l->state == LIFE_WAITING && l->fresh && l->begin_at > now)
        due_at(next, l->begin_at, now);
}

msec_t holder_tick(struct holder *h, msec_t now)
{
    msec_t next = UINT64_MAX;
    list_for_each (it, &h->lives)
        life_tick(list_entry(it, struct life, all), now);
    if (h->catalog->services_len || h->len)
        look(h, now);
    if (h->catalog->services_len)
        next = LOOK_MS;
    list_for_each (it, &h->lives)
        life_due(list_entry(it, struct life, all), &next, now);
    return next;
}

void holder_set(struct holder *h, struct catalog *c, msec_t now)
{
    if (c != h->catalog) {
        catalog_unref(h->catalog);
        h->catalog = catalog_ref(c);
    }
    if (h->catalog->services_len || h->len)
        look(h, now);
}

void holder_close(struct holder *h, msec_t now)
{
    h->closed = true;
    look(h, now);
}

struct holder *holder_new(const struct holder_ports *ports)
{
    struct holder *h = xcalloc(1, sizeof *h);
    h->ports = *ports;
    h->catalog = catalog_new_empty();
    list_init(&h->lives);
    return h;
}

void holder_free(struct holder *h)
{
    if (!h)
        return;
    list_for_each_safe (it, &h->lives) {
        struct life *l = list_entry(it, struct life, all);
        list_for_each_safe (at, &l->calls)
            free(list_entry(at, struct waiting_call, link));
        if (l->host)
            h->ports.gone(h->ports.ctx, l);
        life_free(l);
    }
    catalog_unref(h->catalog);
    free(h);
}

size_t holder_lives(const struct holder *h)
{
    return h->len;
}

void holder_each(const struct holder *h, struct slice name,
                 void (*each)(void *ctx, const struct life_facts *f), void *ctx)
{
    list_for_each (it, &h->lives) {
        const struct life *l = list_entry(it, struct life, all);
        struct life_facts f = {.info = &l->service->info,
                               .number = l->number,
                               .partition = l->partition,
                               .key = life_key(l),
                               .state = state_texts[l->state],
                               .token = l->over ? 0 : l->token,
                               .since = l->since,
                               .calls = l->answered,
                               .failures = l->failures,
                               .error = slice_make(l->error, l->error_len)};
        if (!name.len || slice_eq(name, slice_str(f.info->name)))
            each(ctx, &f);
    }
}

void holder_check(const struct holder *h)
{
    size_t len = 0, keys = 0;
    list_for_each (it, &h->lives) {
        const struct life *l = list_entry(it, struct life, all);
        uint32_t calls = 0, begun = 0;
        list_for_each (at, &l->calls) {
            calls++;
            begun += list_entry(at, struct waiting_call, link)->begun;
        }
        CHECK(calls == l->calls_len && calls <= HOLDER_QUEUE_MAX);
        CHECK(begun == (l->busy && l->doing == SERVICE_CALL));
        CHECK(!begun || list_entry(l->calls.next, struct waiting_call, link)->begun);
        CHECK(!l->fresh || !l->busy);
        CHECK(l->state != LIFE_RUNNING || !l->fresh);
        CHECK(life_find(h, l->service->info.name, l->number, life_key(l)) == l);
        len++;
        keys += l->service->info.mode == SERVICE_KEY;
    }
    CHECK(len == h->len && keys == h->keys && keys <= HOLDER_KEYS_MAX);
}
