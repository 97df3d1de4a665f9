/* gate.c - see gate.h. */
#include "net/gate.h"

#include "base/alloc.h"
#include "base/credential.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 32, DIGEST_BYTES = CREDENTIAL_HASH_BYTES, ROUNDS_OF_NOBODY = 4096 };

struct entry {
    struct credential is;
    bool proven; /* `quick` is of the right password */
    uint8_t quick[DIGEST_BYTES];
};

struct gate {
    uint8_t key[KEY_BYTES];
    struct entry nobody; /* what unknown users are compared with: costs the same, never right */
    uint64_t slow;
    uint32_t allowed; /* slow checks that may be made now */
    msec_t refilled;
    size_t len;
    struct entry entries[];
};

struct gate *gate_new(const char *const *lines, size_t len)
{
    struct gate *g = xcalloc(1, sizeof *g + len * sizeof g->entries[0]);
    CHECK(RAND_bytes(g->key, sizeof g->key) == 1);
    CHECK(RAND_bytes(g->nobody.is.hash, sizeof g->nobody.is.hash) == 1);
    g->nobody.is.rounds = ROUNDS_OF_NOBODY;
    g->allowed = GATE_SLOW_PER_SECOND;
    for (size_t i = 0; i < len; i++)
        if (credential_parse(lines[i], &g->entries[g->len].is))
            g->len++;
    if (g->len)
        g->nobody.is.rounds = g->entries[0].is.rounds;
    return g;
}

static struct entry *entry_of(struct gate *g, const char *user)
{
    for (size_t i = 0; i < g->len; i++)
        if (strcmp(g->entries[i].is.user, user) == 0)
            return &g->entries[i];
    return &g->nobody;
}

static bool slow_allowed(struct gate *g, msec_t now)
{
    if (now - g->refilled >= 1000) {
        g->allowed = GATE_SLOW_PER_SECOND;
        g->refilled = now;
    }
    if (!g->allowed)
        return false;
    g->allowed--;
    g->slow++;
    return true;
}

static bool slow_same(const struct credential *is, const char *password, size_t len)
{
    uint8_t hash[DIGEST_BYTES];
    CHECK(PKCS5_PBKDF2_HMAC(password, (int)len, is->salt, sizeof is->salt, (int)is->rounds,
                            EVP_sha256(), sizeof hash, hash) == 1);
    return CRYPTO_memcmp(hash, is->hash, sizeof hash) == 0;
}

enum grid_err gate_ask(struct gate *g, const char *user, const char *password, msec_t now)
{
    size_t len = strnlen(password, GATE_PASSWORD_BYTES_MAX + 1);
    if (len > GATE_PASSWORD_BYTES_MAX)
        return GRID_EAUTH;
    struct entry *e = entry_of(g, user);
    uint8_t quick[DIGEST_BYTES];
    CHECK(HMAC(EVP_sha256(), g->key, sizeof g->key, (const uint8_t *)password, len, quick, NULL));
    if (e->proven && CRYPTO_memcmp(quick, e->quick, sizeof quick) == 0)
        return GRID_OK;
    if (!slow_allowed(g, now))
        return GRID_EBUSY;
    if (!slow_same(&e->is, password, len) || e == &g->nobody)
        return GRID_EAUTH;
    memcpy(e->quick, quick, sizeof quick);
    e->proven = true;
    return GRID_OK;
}

uint64_t gate_slow(const struct gate *g)
{
    return g->slow;
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    OPENSSL_cleanse(g, sizeof *g + g->len * sizeof g->entries[0]);
    free(g);
}
