/* gridload_keys.c - which key is next, its text, and its value.
 * Zipf after Gray et al., "Quickly generating billion-record synthetic databases" (SIGMOD 1994), as
 * in YCSB; ranks are scattered over the key space, so that hot keys are not neighbours. */
#include "tests/bench/gridload.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <math.h>
#include <stdlib.h>

static void zipf_init(struct zipf *z, uint64_t n, double theta)
{
    double zeta = 0;
    for (uint64_t i = 1; i <= n; i++)
        zeta += 1 / pow((double)i, theta);
    double zeta_2 = 1 + pow(0.5, theta);
    z->theta = theta;
    z->alpha = 1 / (1 - theta);
    z->zeta_n = zeta;
    z->eta = (1 - pow(2.0 / (double)n, 1 - theta)) / (1 - zeta_2 / zeta);
    z->half_pow = 1 + pow(0.5, theta);
}

static uint64_t zipf_rank(const struct zipf *z, uint64_t n, struct prng *prng)
{
    double u = (double)(prng_next(prng) >> 11) / (double)(UINT64_C(1) << 53);
    double uz = u * z->zeta_n;
    if (uz < 1)
        return 0;
    if (uz < z->half_pow)
        return 1;
    uint64_t rank = (uint64_t)((double)n * pow(z->eta * u - z->eta + 1, z->alpha));
    return rank < n ? rank : n - 1;
}

void keys_init(struct keys *k, const struct options *o)
{
    *k = (struct keys){.count = o->keys,
                       .prng = {o->seed},
                       .partitions = 1,
                       .shards = 1,
                       .value = xalloc(o->value_bytes),
                       .value_bytes = o->value_bytes,
                       .shape = o->fill && o->shape[0] == 'm' ? "string" : o->shape,
                       .per_write = 1};
    if (k->shape[0] == 'm')
        k->per_write = MSET_KEYS;
    if (strcmp(o->distribution, "zipf") == 0 && o->keys > 2 && !o->fill)
        zipf_init(&k->zipf, o->keys, o->theta);
    for (size_t i = 0; i < k->value_bytes; i++)
        k->value[i] = (uint8_t)('a' + i % 26);
}

void keys_release(struct keys *k)
{
    free(k->value);
    free(k->places);
    free(k->owners);
}

void key_write(uint8_t to[KEY_TEXT_BYTES], uint64_t key)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    memcpy(to, "key:", 4);
    for (unsigned i = KEY_TEXT_BYTES - 2; i >= 4; i -= 2) {
        memcpy(to + i, pairs + key % 100 * 2, 2);
        key /= 100;
    }
}

static uint32_t key_shard(const struct keys *k, uint64_t key)
{
    uint8_t text[KEY_TEXT_BYTES];
    key_write(text, key);
    uint32_t partition = slot_partition(hash_slot(slice_make(text, sizeof text)), k->partitions);
    return k->owners ? k->owners[partition] : partition % k->shards;
}

static uint64_t key_any(struct keys *k)
{
    if (k->zipf.theta <= 0)
        return prng_below(&k->prng, k->count);
    struct prng scatter = {zipf_rank(&k->zipf, k->count, &k->prng)};
    return prng_below(&scatter, k->count);
}

uint64_t keys_draw(struct keys *k, uint32_t shard)
{
    uint64_t key = key_any(k);
    for (int tries = 0; k->shards > 1 && key_shard(k, key) != shard && tries < 10000; tries++)
        key = key_any(k);
    return key;
}

uint64_t keys_next(const struct keys *k, uint64_t from, uint32_t shard)
{
    while (k->shards > 1 && from < k->count && key_shard(k, from) != shard)
        from++;
    return from;
}

void value_write(const struct keys *k, const uint8_t key[KEY_TEXT_BYTES], uint8_t *to)
{
    size_t n = k->value_bytes < KEY_TEXT_BYTES ? k->value_bytes : KEY_TEXT_BYTES;
    memcpy(to, key, n);
    memcpy(to + n, k->value + n, k->value_bytes - n);
}

bool value_right(const struct keys *k, uint64_t key, struct slice value)
{
    uint8_t text[KEY_TEXT_BYTES];
    key_write(text, key);
    size_t n = k->value_bytes < KEY_TEXT_BYTES ? k->value_bytes : KEY_TEXT_BYTES;
    return value.len == k->value_bytes && memcmp(value.data, text, n) == 0 &&
           memcmp(value.data + n, k->value + n, k->value_bytes - n) == 0;
}
