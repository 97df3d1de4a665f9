/* scripts.c - buckets by the digest, and a list by use. A text is compiled before it is kept, by a
 * machine of its own that runs nothing. */
#include "compute/scripts.h"

#include "base/alloc.h"
#include "base/list.h"
#include "compute/vm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, BYTES_MAX = 64 << 20, COMPILER_BYTES = 32 << 20 };

struct known {
    struct list in_bucket, by_use;
    char sha[SHA1_HEX];
    size_t len;
    uint8_t text[];
};

struct scripts {
    pthread_mutex_t lock;
    struct list buckets[BUCKETS];
    struct list by_use; /* the least recently used first */
    size_t bytes;
    struct vm *compiler; /* NULL: nothing was compiled yet */
};

struct scripts *scripts_new(void)
{
    struct scripts *s = xcalloc(1, sizeof *s);
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&s->buckets[i]);
    list_init(&s->by_use);
    return s;
}

static void known_drop(struct scripts *s, struct known *k)
{
    s->bytes -= sizeof *k + k->len;
    list_remove(&k->in_bucket);
    list_remove(&k->by_use);
    free(k);
}

static void drop_all(struct scripts *s)
{
    list_for_each_safe (it, &s->by_use)
        known_drop(s, list_entry(it, struct known, by_use));
}

void scripts_free(struct scripts *s)
{
    if (!s)
        return;
    drop_all(s);
    vm_free(s->compiler);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* `sha` in lower case. */
static struct list *bucket_of(struct scripts *s, const char *sha)
{
    uint64_t h;
    memcpy(&h, sha, sizeof h);
    return &s->buckets[h * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

static struct known *find(struct scripts *s, const char *sha)
{
    list_for_each (it, bucket_of(s, sha)) {
        struct known *k = list_entry(it, struct known, in_bucket);
        if (memcmp(k->sha, sha, SHA1_HEX) != 0)
            continue;
        list_remove(&k->by_use);
        list_push_back(&s->by_use, &k->by_use);
        return k;
    }
    return NULL;
}

static bool compiles(struct scripts *s, struct slice text, struct buf *ret_fault)
{
    struct vm_conf conf = {.memory_max = COMPILER_BYTES};
    struct vm_fault fault;
    struct script_head head;
    char line[128];
    if (text.len > VM_TEXT_MAX) {
        buf_printf(ret_fault, "ERR the script is too large");
        return false;
    }
    if (!script_head_read(text, &head, line)) {
        buf_printf(ret_fault, "%s", line);
        return false;
    }
    if (!s->compiler && !(s->compiler = vm_new(&conf))) {
        buf_printf(ret_fault, "OOM there is no memory for scripts");
        return false;
    }
    struct vm_code code = {.text = slice_make(text.data + head.bytes, text.len - head.bytes),
                           .name = "user_script"};
    if (vm_compile(s->compiler, &code, &fault) == VM_DONE)
        return true;
    buf_printf(ret_fault, "ERR Error compiling script (new function): %s", fault.text);
    return false;
}

static void known_add(struct scripts *s, struct slice text, const char *sha)
{
    struct known *k = xalloc(sizeof *k + text.len);
    while (!list_empty(&s->by_use) && s->bytes + sizeof *k + text.len > BYTES_MAX)
        known_drop(s, list_entry(s->by_use.next, struct known, by_use));
    memcpy(k->sha, sha, SHA1_HEX);
    k->len = text.len;
    if (text.len)
        memcpy(k->text, text.data, text.len);
    list_init(&k->in_bucket);
    list_init(&k->by_use);
    list_push_back(bucket_of(s, sha), &k->in_bucket);
    list_push_back(&s->by_use, &k->by_use);
    s->bytes += sizeof *k + text.len;
}

bool scripts_add(struct scripts *s, struct slice text, char ret_sha[SHA1_HEX],
                 struct buf *ret_fault)
{
    sha1_hex(text, ret_sha);
    pthread_mutex_lock(&s->lock);
    bool known = find(s, ret_sha) != NULL;
    if (!known && compiles(s, text, ret_fault)) {
        known_add(s, text, ret_sha);
        known = true;
    }
    pthread_mutex_unlock(&s->lock);
    return known;
}

bool scripts_get(struct scripts *s, struct slice sha, scripts_memory *memory, void *ctx,
                 struct slice *ret_text)
{
    char lower[SHA1_HEX];
    if (sha.len != SHA1_HEX)
        return false;
    script_sha_lower(lower, sha.data);
    pthread_mutex_lock(&s->lock);
    const struct known *k = find(s, lower);
    if (k && memory) {
        uint8_t *copy = memory(ctx, k->len + 1);
        if (copy)
            memcpy(copy, k->text, k->len);
        *ret_text = slice_make(copy, copy ? k->len : 0);
    }
    pthread_mutex_unlock(&s->lock);
    return k != NULL;
}

void scripts_flush(struct scripts *s)
{
    pthread_mutex_lock(&s->lock);
    drop_all(s);
    pthread_mutex_unlock(&s->lock);
}

/* --- the first line --------------------------------------------------------------------------- */

static bool word_is(struct slice s, const char *word)
{
    return slice_eq(s, slice_str(word));
}

/* The next word before `end`, a space or the end; NULL data: there is none. */
static struct slice word_next(struct slice *s, char end)
{
    size_t len = 0;
    while (s->len && s->data[0] == (uint8_t)end) {
        s->data++;
        s->len--;
    }
    while (len < s->len && s->data[len] != (uint8_t)end)
        len++;
    struct slice word = slice_make(len ? s->data : NULL, len);
    s->data += len;
    s->len -= len;
    return word;
}

static bool flags_read(struct slice flags, struct script_head *head, char fault[128])
{
    struct slice word;
    while ((word = word_next(&flags, ',')).data) {
        if (word_is(word, "no-writes")) {
            head->reads_only = true;
        } else if (!word_is(word, "allow-oom") && !word_is(word, "allow-stale") &&
                   !word_is(word, "no-cluster") && !word_is(word, "allow-cross-slot-keys")) {
            snprintf(fault, 128, "ERR Unexpected flag in script shebang: %.*s",
                     word.len < 64 ? (int)word.len : 64, (const char *)word.data);
            return false;
        }
    }
    return true;
}

bool script_head_read(struct slice text, struct script_head *ret_head, char ret_fault[128])
{
    static const char flags[] = "flags=";
    *ret_head = (struct script_head){0};
    if (text.len < 2 || memcmp(text.data, "#!", 2) != 0)
        return true;
    const uint8_t *end = memchr(text.data, '\n', text.len);
    if (!end) {
        snprintf(ret_fault, 128, "ERR Invalid script shebang");
        return false;
    }
    struct slice line = slice_make(text.data, (size_t)(end - text.data)), word;
    ret_head->bytes = line.len;
    word = word_next(&line, ' ');
    if (!word_is(word, "#!lua")) {
        snprintf(ret_fault, 128, "ERR Unexpected engine in script shebang: %.*s",
                 word.len < 64 ? (int)word.len : 64, (const char *)word.data);
        return false;
    }
    while ((word = word_next(&line, ' ')).data) {
        if (word.len < sizeof flags - 1 || memcmp(word.data, flags, sizeof flags - 1) != 0) {
            snprintf(ret_fault, 128, "ERR Unknown lua shebang option: %.*s",
                     word.len < 64 ? (int)word.len : 64, (const char *)word.data);
            return false;
        }
        struct slice list = slice_make(word.data + sizeof flags - 1, word.len - sizeof flags + 1);
        if (!flags_read(list, ret_head, ret_fault))
            return false;
    }
    return true;
}
