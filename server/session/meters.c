/* meters.c - see meters.h. */
#include "session/meters.h"

#include "shard/op.h"

#include <string.h>

void meters_turn(struct meters *m, uint32_t now_us)
{
    m->now_us = now_us;
}

void meters_other(struct meters *m, uint16_t meter, uint32_t began, enum grid_err status)
{
    if (status && (unsigned)status < METER_STATUSES) /* a newer node may have more of them */
        m->doors[meter / METER_OPERATIONS].errors[status]++;
    if (began != m->now_us) {
        m->turn[meter]--;
        histogram_add(&m->latency[meter], m->now_us - began, 1);
    }
}

void meters_turn_end(struct meters *m, uint32_t now_us)
{
    uint32_t took = now_us - m->now_us;
    for (uint64_t left = m->touched; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (m->turn[i])
            histogram_add(&m->latency[i], took, m->turn[i]);
        m->turn[i] = 0;
    }
    m->touched = 0;
}

void meters_merge(struct meters *to, const struct meters *from)
{
    for (unsigned i = 0; i < METERS; i++)
        histogram_merge(&to->latency[i], &from->latency[i]);
    for (unsigned d = 0; d < METER_DOORS_LEN; d++) {
        to->doors[d].sessions += from->doors[d].sessions;
        to->doors[d].requests += from->doors[d].requests;
        to->doors[d].received += from->doors[d].received;
        to->doors[d].sent += from->doors[d].sent;
        for (unsigned e = 0; e < METER_STATUSES; e++)
            to->doors[d].errors[e] += from->doors[d].errors[e];
    }
    to->wrong_passwords += from->wrong_passwords;
    to->channels += from->channels;
    to->subscriptions += from->subscriptions;
    to->published += from->published;
}

static const char *const doors[METER_DOORS_LEN] = {
#define X(name, text) text,
    METER_DOORS(X)
#undef X
};

const char *meter_door_text(enum meter_door door)
{
    return doors[door];
}

enum meter_door meter_door_named(const char *name)
{
    unsigned d = 0;
    while (d < METER_DOORS_LEN && strcmp(doors[d], name) != 0)
        d++;
    return d;
}

const char *meter_operation_text(unsigned operation)
{
    static const char *const texts[METER_OPERATIONS] = {
#define X(name, code, text, writes) [code] = text,
#include "shard/op.def"
#undef X
        [METER_ADMIN] = "admin",
        [METER_EVERYWHERE] = "everywhere",
        [METER_CALL_READS] = "call_reads",
        [OP_CALL] = "call",
    };
    return operation < METER_OPERATIONS ? texts[operation] : NULL;
}
