/* entry.h - one key with its value, or a tombstone: one allocation, immutable but for its flags
 * and links.
 *
 *   u64 version | 9 bits key length, 7 flags | u8 cache | u8 value length |
 *   [wide, when these two are not enough: u32 value length, u16 cache, u16 0] |
 *   [deadline: u64, u32 place in the expiry heap | tombstone: 2 links] | [u16 affinity length] |
 *   key | affinity | [u8 type] value
 *
 * An entry that is shown to somebody who waits is pinned by a reference: it outlives its
 * replacement then. References are rare, so they are counted beside the entries, in the pool that
 * all partitions of one shard share. One thread. */
#ifndef GRIDD_DATA_ENTRY_H
#define GRIDD_DATA_ENTRY_H

#include "base/clock.h"
#include "base/slice.h"
#include "data/fields.h"
#include "data/record.h"
#include "data/slab.h"

enum entry_flag {
    ENTRY_KEY_MASK = 0x1ff, /* bits 0-8: key length */
    ENTRY_TOMBSTONE = 1 << 9,
    ENTRY_DEADLINE = 1 << 10,
    ENTRY_AFFINITY = 1 << 11,
    ENTRY_CLOCK = 1 << 12,  /* used since the hand passed */
    ENTRY_PINNED = 1 << 13, /* has references */
    ENTRY_WIDE = 1 << 14,   /* value length and cache stand behind the head */
    ENTRY_TYPED = 1 << 15,  /* the value begins with a byte that is its type, and its form */
};

/* What stands between head and key, or makes the value more than its bytes. */
enum {
    ENTRY_BEFORE_KEY = ENTRY_TOMBSTONE | ENTRY_DEADLINE | ENTRY_WIDE | ENTRY_AFFINITY,
    ENTRY_ODD = ENTRY_BEFORE_KEY | ENTRY_TYPED,
};

enum { ENTRY_TYPE_MASK = 0x7f, ENTRY_MAP = 0x80 /* behind the type is a pointer to a map */ };

/* Aligned to 4 only: that saves 2 bytes per entry on average. */
struct __attribute__((packed, aligned(4))) entry {
    uint64_t version;
    uint16_t bits;
    uint8_t cache;     /* not when it is wide */
    uint8_t value_len; /* neither */
    uint8_t data[];
};

/* Links of a tombstone: oldest version first. */
struct __attribute__((packed, aligned(4))) entry_links {
    struct entry *prev, *next;
};

enum {
    ENTRY_WIDE_BYTES = 8,
    ENTRY_DEADLINE_BYTES = 12,
    ENTRY_LINK_BYTES = (int)sizeof(struct entry_links),
};

/* What an entry is made of; slices are copied. */
struct entry_parts {
    struct slice key;      /* 1..KEY_BYTES_MAX */
    struct slice affinity; /* 0..KEY_BYTES_MAX; empty: the key itself */
    struct slice value;    /* stored form; not looked at when there is a map */
    struct fields *map;    /* HASH: the entry is this map, which is its own then; or NULL */
    uint8_t type;          /* enum value_type */
    uint64_t version;
    msec_t deadline; /* unix ms, 0: for ever */
    uint16_t cache;
    bool tombstone; /* then affinity, value and deadline are not kept */
};

struct entry_pool; /* opaque: the memory of one shard's entries */

struct entry_pool *entry_pool_new(void);
/* All entries are freed, all references given back. NULL is fine. */
void entry_pool_free(struct entry_pool *p);
struct slab *entry_pool_slab(struct entry_pool *p);
/* What the pool itself holds beside the slab. */
size_t entry_pool_bytes(const struct entry_pool *p);
/* Large maps are freed by and by, so that no removal is long: go on with it, `steps` fields. Each
 * new entry does some of it, too. True: there is more. */
bool entry_pool_tidy(struct entry_pool *p, unsigned steps);
/* Empty; for who needs a place for bytes until it returns. */
struct buf *entry_pool_scratch(struct entry_pool *p);

/* NULL: no memory; then the map is still the caller's. */
struct entry *entry_new(struct entry_pool *p, const struct entry_parts *parts);
/* Of an entry in no table: frees it with its map, or leaves that to the last reference. */
void entry_free(struct entry_pool *p, struct entry *e);
/* The map belongs to another entry now. */
void entry_forget_map(struct entry *e);
/* Keep `e` readable until the matching entry_unref(), whatever happens to its key. Not of a map,
 * which is changed in place: who needs it longer copies it. */
void entry_ref(struct entry_pool *p, const struct entry *e);
void entry_unref(struct entry_pool *p, const struct entry *e);

static inline bool entry_is_tombstone(const struct entry *e)
{
    return e->bits & ENTRY_TOMBSTONE;
}

static inline uint64_t entry_version(const struct entry *e)
{
    return e->version;
}

static inline uint16_t entry_cache(const struct entry *e)
{
    return likely(!(e->bits & ENTRY_WIDE)) ? e->cache : load_u16(e->data + 4);
}

/* Type and form included. */
static inline uint32_t entry_value_len(const struct entry *e)
{
    return likely(!(e->bits & ENTRY_WIDE)) ? e->value_len : load_u32(e->data);
}

/* Where deadline or links are. */
static inline const uint8_t *entry_extra_at(const struct entry *e)
{
    return e->data + (e->bits & ENTRY_WIDE ? ENTRY_WIDE_BYTES : 0);
}

static inline size_t entry_key_len(const struct entry *e)
{
    return e->bits & ENTRY_KEY_MASK;
}

static inline size_t entry_affinity_at(const struct entry *e)
{
    if (likely(!(e->bits & (ENTRY_TOMBSTONE | ENTRY_DEADLINE | ENTRY_WIDE))))
        return 0;
    size_t at = e->bits & ENTRY_WIDE ? ENTRY_WIDE_BYTES : 0;
    at += e->bits & ENTRY_DEADLINE ? ENTRY_DEADLINE_BYTES : 0;
    return at + (e->bits & ENTRY_TOMBSTONE ? ENTRY_LINK_BYTES : 0);
}

static inline size_t entry_affinity_len(const struct entry *e)
{
    return likely(!(e->bits & ENTRY_AFFINITY)) ? 0 : load_u16(e->data + entry_affinity_at(e));
}

static inline const uint8_t *entry_key_at(const struct entry *e)
{
    if (likely(!(e->bits & ENTRY_BEFORE_KEY)))
        return e->data;
    return e->data + entry_affinity_at(e) + (e->bits & ENTRY_AFFINITY ? 2 : 0);
}

static inline struct slice entry_key(const struct entry *e)
{
    return slice_make(entry_key_at(e), entry_key_len(e));
}

/* Empty: the key itself. */
static inline struct slice entry_affinity(const struct entry *e)
{
    return slice_make(entry_key_at(e) + entry_key_len(e), entry_affinity_len(e));
}

static inline const uint8_t *entry_value_at(const struct entry *e)
{
    return entry_key_at(e) + entry_key_len(e) + entry_affinity_len(e);
}

static inline enum value_type entry_type(const struct entry *e)
{
    if (likely(!(e->bits & ENTRY_TYPED)))
        return VALUE_BYTES;
    return (enum value_type)(*entry_value_at(e) & ENTRY_TYPE_MASK);
}

static inline bool entry_is_map(const struct entry *e)
{
    return unlikely(e->bits & ENTRY_TYPED) && *entry_value_at(e) & ENTRY_MAP;
}

struct slice entry_odd_value(const struct entry *e);

/* In its stored form; empty for one that is a map. */
static inline struct slice entry_value(const struct entry *e)
{
    if (likely(!(e->bits & ENTRY_ODD)))
        return slice_make(e->data + entry_key_len(e), e->value_len);
    return entry_odd_value(e);
}

/* The bytes of a BYTES or MEDIA value. */
static inline struct slice entry_string(const struct entry *e)
{
    return value_bytes(entry_type(e), entry_value(e));
}

/* Of an entry that is one. */
static inline struct fields *entry_map(const struct entry *e)
{
    struct fields *map;
    memcpy(&map, entry_value_at(e) + 1, sizeof map);
    return map;
}

/* The fields of a HASH; packed ones have the stored form already. */
static inline struct fields_view entry_fields(const struct entry *e)
{
    return (struct fields_view){entry_is_map(e) ? entry_map(e) : NULL, entry_value(e)};
}

/* Unix ms, 0: for ever. */
static inline msec_t entry_deadline(const struct entry *e)
{
    return likely(!(e->bits & ENTRY_DEADLINE)) ? 0 : load_u64(entry_extra_at(e));
}

/* Whether its deadline has passed: reads treat it as absent (R14). */
static inline bool entry_expired(const struct entry *e, msec_t now)
{
    return unlikely(e->bits & ENTRY_DEADLINE) && load_u64(entry_extra_at(e)) <= now;
}

size_t entry_odd_bytes(const struct entry *e);

/* Bytes as allocated, without rounding. */
static inline size_t entry_bytes(const struct entry *e)
{
    if (likely(!(e->bits & ENTRY_BEFORE_KEY)))
        return sizeof *e + entry_key_len(e) + e->value_len;
    return entry_odd_bytes(e);
}

/* Of its map, when it is one. */
size_t entry_map_bytes(const struct entry *e);

/* All it takes: with rounding, and its map. */
static inline size_t entry_size(const struct entry *e)
{
    size_t size = slab_size(entry_bytes(e));
    return unlikely(e->bits & ENTRY_TYPED) ? size + entry_map_bytes(e) : size;
}

/* Bytes of an entry of `parts` with rounding: what a write will take at most. */
size_t entry_parts_size(const struct entry_parts *parts);

#endif
