/* resp_pubsub.c - channels. Each thread knows who of its own clients listens to what; a message is
 * an errand to all threads. There are three kinds of names: channels, patterns, and channels of
 * shards, which are the same thing apart, since every node hears every message.
 *
 *   struct channels (one per thread): buckets of channels by name
 *   channel ---list--- subscription ---list--- session
 *
 * Messages are pushed between replies, never into one. A client that does not read what it is sent
 * is cut off at the bound of unread bytes. */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "base/glob.h"
#include "base/hash.h"

#include <stdlib.h>

enum { BUCKETS = 1024, SUBSCRIPTIONS_MAX = 100000, NAMES_BYTES_MAX = 64 << 20 };

struct channel {
    struct list node; /* in its bucket */
    struct list any;  /* PATTERN: in channels.patterns */
    enum resp_channel_kind kind;
    struct list subscriptions;
    size_t len; /* of them */
    uint32_t name_len;
    uint8_t name[];
};

struct subscription {
    struct list of_channel, of_session;
    struct channel *channel;
    struct resp_session *session;
};

struct resp_channels {
    struct list buckets[BUCKETS];
    struct list patterns;
    size_t len;
};

static const struct {
    const char *subscribe, *unsubscribe, *message;
} words[RESP_CHANNEL_KINDS] = {
    [RESP_CHANNEL] = {"subscribe", "unsubscribe", "message"},
    [RESP_PATTERN] = {"psubscribe", "punsubscribe", "pmessage"},
    [RESP_SHARD_CHANNEL] = {"ssubscribe", "sunsubscribe", "smessage"},
};

/* --- channels of a thread --------------------------------------------------------------------- */

static struct resp_channels *channels_of(struct errands *here)
{
    if (here->channels)
        return here->channels;
    struct resp_channels *all = xcalloc(1, sizeof *all);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&all->buckets[i]);
    list_init(&all->patterns);
    return here->channels = all;
}

void resp_channels_free(struct resp_channels *all)
{
    CHECK(!all || all->len == 0);
    free(all);
}

static struct list *bucket_of(struct resp_channels *all, enum resp_channel_kind kind,
                              struct slice name)
{
    return &all->buckets[hash_key(name, (uint64_t)kind) % BUCKETS];
}

static struct slice channel_name(const struct channel *ch)
{
    return slice_make(ch->name, ch->name_len);
}

static struct channel *channel_find(struct resp_channels *all, enum resp_channel_kind kind,
                                    struct slice name)
{
    list_for_each (it, bucket_of(all, kind, name)) {
        struct channel *ch = list_entry(it, struct channel, node);
        if (ch->kind == kind && slice_eq(channel_name(ch), name))
            return ch;
    }
    return NULL;
}

static struct channel *channel_make(struct errands *here, enum resp_channel_kind kind,
                                    struct slice name)
{
    struct resp_channels *all = channels_of(here);
    struct channel *ch = channel_find(all, kind, name);
    if (ch)
        return ch;
    ch = xalloc(sizeof *ch + name.len);
    *ch = (struct channel){.kind = kind, .name_len = (uint32_t)name.len};
    if (name.len)
        memcpy(ch->name, name.data, name.len);
    list_init(&ch->subscriptions);
    list_init(&ch->any);
    list_push_back(bucket_of(all, kind, name), &ch->node);
    if (kind == RESP_PATTERN)
        list_push_back(&all->patterns, &ch->any);
    all->len++;
    here->meters.channels++;
    return ch;
}

static struct errands *here_of(const struct resp_session *r)
{
    return r->base.ports->errands;
}

/* Of the two lists it stands in the shorter one is looked through. */
static struct subscription *subscription_find(const struct resp_session *r,
                                              const struct channel *ch)
{
    if (ch->len < r->subscribed_all) {
        list_for_each (it, &ch->subscriptions) {
            struct subscription *s = list_entry(it, struct subscription, of_channel);
            if (s->session == r)
                return s;
        }
        return NULL;
    }
    list_for_each (it, &r->subscriptions) {
        struct subscription *s = list_entry(it, struct subscription, of_session);
        if (s->channel == ch)
            return s;
    }
    return NULL;
}

static void subscription_end(struct subscription *s)
{
    struct resp_session *r = s->session;
    struct channel *ch = s->channel;
    struct errands *here = here_of(r);
    list_remove(&s->of_channel);
    list_remove(&s->of_session);
    r->subscribed[ch->kind]--;
    r->subscribed_all--;
    r->subscribed_bytes -= ch->name_len;
    here->meters.subscriptions--;
    free(s);
    if (--ch->len)
        return;
    list_remove(&ch->node);
    list_remove(&ch->any);
    here->channels->len--;
    here->meters.channels--;
    free(ch);
}

/* In RESP2 a client that listens may do little else: a push cannot be told from a reply. */
static void gate_set(struct resp_session *r)
{
    if (r->subscribed_all && !r->resp3)
        r->gate |= GATE_PUBSUB;
    else
        r->gate &= ~(unsigned)GATE_PUBSUB;
}

void resp_pubsub_release(struct resp_session *r)
{
    while (!list_empty(&r->subscriptions))
        subscription_end(list_entry(r->subscriptions.next, struct subscription, of_session));
    gate_set(r);
}

/* --- SUBSCRIBE and its kin -------------------------------------------------------------------- */

/* Channels of shards are counted apart. */
static int64_t count_told(const struct resp_session *r, enum resp_channel_kind kind)
{
    return (int64_t)(kind == RESP_SHARD_CHANNEL
                         ? r->subscribed[RESP_SHARD_CHANNEL]
                         : r->subscribed[RESP_CHANNEL] + r->subscribed[RESP_PATTERN]);
}

static void confirm(const struct resp_session *r, struct buf *out, const char *word,
                    const struct slice *name, enum resp_channel_kind kind)
{
    resp_push(out, 3, r->resp3);
    resp_bulk(out, slice_str(word));
    if (name)
        resp_bulk(out, *name);
    else
        resp_null(out, r->resp3);
    resp_integer(out, count_told(r, kind));
}

static bool subscribe_one(struct resp_session *r, enum resp_channel_kind kind, struct slice name)
{
    if (r->subscribed_all >= SUBSCRIPTIONS_MAX || r->subscribed_bytes + name.len > NAMES_BYTES_MAX)
        return false;
    struct channel *ch = channel_make(here_of(r), kind, name);
    if (ch->len && subscription_find(r, ch))
        return true;
    struct subscription *s = xcalloc(1, sizeof *s);
    *s = (struct subscription){.channel = ch, .session = r};
    list_push_back(&ch->subscriptions, &s->of_channel);
    list_push_back(&r->subscriptions, &s->of_session);
    ch->len++;
    r->subscribed[kind]++;
    r->subscribed_all++;
    r->subscribed_bytes += name.len;
    here_of(r)->meters.subscriptions++;
    return true;
}

static void subscribe(struct resp_session *r, const struct resp_request *q, struct buf *out,
                      enum resp_channel_kind kind)
{
    for (uint32_t i = 1; i < q->args_len; i++) {
        if (!subscribe_one(r, kind, q->args[i])) {
            resp_error_text(out, "ERR too many subscriptions of one client");
            break;
        }
        confirm(r, out, words[kind].subscribe, &q->args[i], kind);
    }
    gate_set(r);
    r->pushed = true;
}

static void unsubscribe_all(struct resp_session *r, struct buf *out, enum resp_channel_kind kind)
{
    bool any = r->subscribed[kind] != 0;
    list_for_each_safe (it, &r->subscriptions) {
        struct subscription *s = list_entry(it, struct subscription, of_session);
        if (s->channel->kind != kind)
            continue;
        struct buf name = BUF_INIT; /* the channel may end with it */
        buf_add(&name, s->channel->name, s->channel->name_len);
        struct slice told = buf_slice(&name);
        subscription_end(s);
        confirm(r, out, words[kind].unsubscribe, &told, kind);
        buf_release(&name);
    }
    if (!any)
        confirm(r, out, words[kind].unsubscribe, NULL, kind);
}

static void unsubscribe(struct resp_session *r, const struct resp_request *q, struct buf *out,
                        enum resp_channel_kind kind)
{
    if (q->args_len == 1)
        unsubscribe_all(r, out, kind);
    for (uint32_t i = 1; i < q->args_len; i++) {
        struct channel *ch = channel_find(channels_of(here_of(r)), kind, q->args[i]);
        struct subscription *s = ch ? subscription_find(r, ch) : NULL;
        if (s)
            subscription_end(s);
        confirm(r, out, words[kind].unsubscribe, &q->args[i], kind);
    }
    gate_set(r);
    r->pushed = true;
}

void resp_subscribe(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    subscribe(r, q, out, RESP_CHANNEL);
}

void resp_psubscribe(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    subscribe(r, q, out, RESP_PATTERN);
}

void resp_ssubscribe(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    subscribe(r, q, out, RESP_SHARD_CHANNEL);
}

void resp_unsubscribe(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    unsubscribe(r, q, out, RESP_CHANNEL);
}

void resp_punsubscribe(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    unsubscribe(r, q, out, RESP_PATTERN);
}

void resp_sunsubscribe(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    unsubscribe(r, q, out, RESP_SHARD_CHANNEL);
}

/* --- PUBLISH ---------------------------------------------------------------------------------- */

static void push(struct resp_session *r, enum resp_channel_kind kind, struct slice pattern,
                 struct slice channel, struct slice message)
{
    enum { HEADS = 128 };
    struct session *s = &r->base;
    if (s->state == CLOSING)
        return;
    if (resp_too_much(r, pattern.len + channel.len + message.len + HEADS)) {
        session_stop(s, "a subscriber that does not read");
    } else {
        resp_push(&s->out, kind == RESP_PATTERN ? 4 : 3, r->resp3);
        resp_bulk(&s->out, slice_str(words[kind].message));
        if (kind == RESP_PATTERN)
            resp_bulk(&s->out, pattern);
        resp_bulk(&s->out, channel);
        resp_bulk(&s->out, message);
    }
    s->ports->wake(s->ports->ctx, s);
}

/* Returns who was told. */
static uint64_t channel_push(const struct channel *ch, struct slice channel, struct slice message)
{
    list_for_each (it, &ch->subscriptions)
        push(list_entry(it, struct subscription, of_channel)->session, ch->kind, channel_name(ch),
             channel, message);
    return ch->len;
}

static uint64_t publish_run(struct errands *here, const struct errand *e, struct buf *out)
{
    (void)out;
    struct resp_channels *all = channels_of(here);
    enum resp_channel_kind kind = (enum resp_channel_kind)e->number;
    const struct channel *ch = channel_find(all, kind, e->args[0]);
    uint64_t told = ch ? channel_push(ch, e->args[0], e->args[1]) : 0;
    if (kind == RESP_SHARD_CHANNEL)
        return told;
    list_for_each (it, &all->patterns) {
        const struct channel *pattern = list_entry(it, struct channel, any);
        if (glob_matches(channel_name(pattern), e->args[0]))
            told += channel_push(pattern, e->args[0], e->args[1]);
    }
    return told;
}

static void number_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                          uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    resp_integer(resp_open(r, number), res->number);
    resp_close(r, number);
}

static enum resp_taken publish(struct resp_session *r, const struct resp_request *q,
                               enum resp_channel_kind kind)
{
    struct errand e = {.kind = ERRAND_PUBLISH,
                       .run = publish_run,
                       .number = kind,
                       .args_len = 2,
                       .args = {q->args[1], q->args[2]}};
    here_of(r)->meters.published++;
    resp_everywhere(r, &e, number_result);
    return RESP_TAKEN;
}

enum resp_taken resp_publish(struct resp_session *r, const struct resp_request *q)
{
    return publish(r, q, RESP_CHANNEL);
}

enum resp_taken resp_spublish(struct resp_session *r, const struct resp_request *q)
{
    return publish(r, q, RESP_SHARD_CHANNEL);
}

/* --- PUBSUB ----------------------------------------------------------------------------------- */

static void name_add(struct buf *to, struct slice name)
{
    buf_add_u32(to, (uint32_t)name.len);
    buf_add(to, name.data, name.len);
}

static bool name_next(struct slice *from, struct slice *ret_name)
{
    if (from->len < 4)
        return false;
    size_t len = load_u32(from->data);
    if (len > from->len - 4) /* from another node: anything */
        return false;
    *ret_name = slice_make(from->data + 4, len);
    *from = slice_make(from->data + 4 + len, from->len - 4 - len);
    return true;
}

/* Names of a kind, that match args[0] where there is one. */
static uint64_t names_run(struct errands *here, const struct errand *e, struct buf *out)
{
    struct resp_channels *all = channels_of(here);
    for (size_t i = 0; i < BUCKETS; i++) {
        list_for_each (it, &all->buckets[i]) {
            const struct channel *ch = list_entry(it, struct channel, node);
            bool wanted = ch->kind == (enum resp_channel_kind)e->number &&
                          (!e->args_len || glob_matches(e->args[0], channel_name(ch)));
            if (wanted)
                name_add(out, channel_name(ch));
        }
    }
    return 0;
}

static int name_order(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* The names that threads gave, each once. *ret_len: how many. */
static struct slice *names_once(struct slice given, size_t *ret_len)
{
    struct slice name, rest = given;
    size_t len = 0, once = 0;
    while (name_next(&rest, &name))
        len++;
    struct slice *names = xcalloc(len + 1, sizeof *names);
    for (size_t i = 0; i < len; i++)
        name_next(&given, &names[i]);
    qsort(names, len, sizeof *names, name_order);
    for (size_t i = 0; i < len; i++) {
        if (i == 0 || !slice_eq(names[i], names[once - 1]))
            names[once++] = names[i];
    }
    *ret_len = once;
    return names;
}

static void names_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                         uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    size_t len;
    struct slice *names = names_once(res->value, &len);
    struct buf *out = resp_open(r, number);
    resp_array(out, len);
    for (size_t i = 0; i < len; i++)
        resp_bulk(out, names[i]);
    resp_close(r, number);
    free(names);
}

static void names_count_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                               uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    size_t len;
    free(names_once(res->value, &len));
    resp_integer(resp_open(r, number), (int64_t)len);
    resp_close(r, number);
}

static enum resp_taken names_ask(struct resp_session *r, const struct resp_request *q,
                                 enum resp_channel_kind kind)
{
    struct errand e = {.kind = ERRAND_NAMES, .run = names_run, .number = kind};
    if (q->args_len > 3) {
        return resp_refuse_subcommand(r, q);
    }
    if (q->args_len == 3) {
        e.args_len = 1;
        e.args[0] = q->args[2];
    }
    resp_everywhere(r, &e, names_result);
    return RESP_TAKEN;
}

enum resp_taken resp_pubsub_channels(struct resp_session *r, const struct resp_request *q)
{
    return names_ask(r, q, RESP_CHANNEL);
}

enum resp_taken resp_pubsub_shardchannels(struct resp_session *r, const struct resp_request *q)
{
    return names_ask(r, q, RESP_SHARD_CHANNEL);
}

enum resp_taken resp_pubsub_numpat(struct resp_session *r, const struct resp_request *q)
{
    (void)q;
    struct errand e = {.kind = ERRAND_NAMES, .run = names_run, .number = RESP_PATTERN};
    resp_everywhere(r, &e, names_count_result);
    return RESP_TAKEN;
}

/* How many listen to each of the names in args[0], in their order. */
static uint64_t counts_run(struct errands *here, const struct errand *e, struct buf *out)
{
    struct slice name, rest = e->args[0];
    while (name_next(&rest, &name)) {
        const struct channel *ch =
            channel_find(channels_of(here), (enum resp_channel_kind)e->number, name);
        buf_add_u64(out, ch ? ch->len : 0);
    }
    return 0;
}

static void names_free(void *state)
{
    buf_release(state);
    free(state);
}

static void counts_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                          uint32_t part, const struct result *res)
{
    (void)part;
    struct slice name, names = buf_slice(slot->state);
    size_t len = (size_t)slot->sum;
    struct buf *out = resp_open(r, number);
    resp_map(out, len, false);
    for (size_t i = 0; name_next(&names, &name); i++) {
        uint64_t sum = 0;
        for (size_t at = i; (at + 1) * 8 <= res->value.len; at += len)
            sum += load_u64(res->value.data + at * 8);
        resp_bulk(out, name);
        resp_integer(out, (int64_t)sum);
    }
    resp_close(r, number);
}

static enum resp_taken counts_ask(struct resp_session *r, const struct resp_request *q,
                                  enum resp_channel_kind kind)
{
    struct buf *names = xcalloc(1, sizeof *names);
    for (uint32_t i = 2; i < q->args_len; i++)
        name_add(names, q->args[i]);
    struct errand e = {.kind = ERRAND_COUNTS,
                       .run = counts_run,
                       .number = kind,
                       .args_len = 1,
                       .args = {buf_slice(names)}};
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = counts_result;
    slot->state = names;
    slot->state_free = names_free;
    slot->sum = (int64_t)q->args_len - 2;
    session_everywhere(&r->base, number, &e);
    return RESP_TAKEN;
}

enum resp_taken resp_pubsub_numsub(struct resp_session *r, const struct resp_request *q)
{
    return counts_ask(r, q, RESP_CHANNEL);
}

enum resp_taken resp_pubsub_shardnumsub(struct resp_session *r, const struct resp_request *q)
{
    return counts_ask(r, q, RESP_SHARD_CHANNEL);
}

/* --- errands of other nodes ------------------------------------------------------------------- */

bool resp_errand(struct errand *e)
{
    static const struct {
        uint64_t (*run)(struct errands *here, const struct errand *e, struct buf *out);
        uint32_t args_min, args_max;
    } rows[] = {[ERRAND_PUBLISH] = {publish_run, 2, 2},
                [ERRAND_NAMES] = {names_run, 0, 1},
                [ERRAND_COUNTS] = {counts_run, 1, 1}};
    size_t i = (size_t)e->kind;
    e->run = rows[i].run;
    return e->number >= 0 && e->number < RESP_CHANNEL_KINDS && e->args_len >= rows[i].args_min &&
           e->args_len <= rows[i].args_max;
}
