/* cmd_user.c - user hash: a password as gridd.conf keeps it (server/base/credential.h). */
#include "commands.h"
#include "text.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum {
    SALT_BYTES = 16,
    HASH_BYTES = 32,
    USER_BYTES_MAX = 63,
    ROUNDS_MAX = 100000,
    PASSWORD_BYTES = 256,
};

static void hex_add(struct text *to, const uint8_t *bytes, size_t len)
{
    text_addf(to, ":");
    for (size_t i = 0; i < len; i++)
        text_addf(to, "%02x", bytes[i]);
}

static bool line_make(struct text *to, const char *user, const char *password, uint64_t rounds)
{
    uint8_t salt[SALT_BYTES], hash[HASH_BYTES];
    if (RAND_bytes(salt, sizeof salt) != 1 ||
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, sizeof salt, (int)rounds,
                          EVP_sha256(), sizeof hash, hash) != 1)
        return false;
    text_addf(to, "%s:pbkdf2-sha256:%llu", user, (unsigned long long)rounds);
    hex_add(to, salt, sizeof salt);
    hex_add(to, hash, sizeof hash);
    return true;
}

int cmd_user_hash(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"user", OUT_TEXT, false}};
    char password[PASSWORD_BYTES];
    const char *user = args_text(a, "NAME");
    uint64_t rounds = args_number(a, "--rounds", 4096);
    struct text line = {0};
    if (strlen(user) > USER_BYTES_MAX)
        return ctl_error(c, EXIT_USAGE, "a name has at most %d bytes", USER_BYTES_MAX);
    if (rounds < 1 || rounds > ROUNDS_MAX)
        return ctl_error(c, EXIT_USAGE, "--rounds: 1 to %d", ROUNDS_MAX);
    if (!ctl_password(c, true, password, sizeof password) || !*password)
        return ctl_error(c, EXIT_USAGE, "there is no password");
    bool made = line_make(&line, user, password, rounds);
    explicit_bzero(password, sizeof password);
    if (made) {
        out_begin(c->out, OUT_LINE, columns, 1);
        out_text(c->out, text_str(&line));
        out_end(c->out);
    }
    text_release(&line);
    return made ? EXIT_DONE : ctl_error(c, EXIT_USAGE, "no random numbers");
}
