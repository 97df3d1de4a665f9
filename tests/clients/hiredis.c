/* hiredis.c - what hiredis's documentation shows, with a server at 127.0.0.1 and the port that is
 * the argument. Prints a line per claim. */
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *context;
static bool failed;

static void claim(const char *name, bool good)
{
    printf("%s hiredis: %s\n", good ? "ok" : "not ok", name);
    failed |= !good;
}

/* Whether a reply is of a type and says `text` (any text: NULL); frees it. */
static bool says(redisReply *reply, int type, const char *text)
{
    bool good = reply && reply->type == type && (!text || strcmp(reply->str, text) == 0);
    if (!good)
        printf("# type %d, '%s'\n", reply ? reply->type : -1,
               reply && reply->str ? reply->str : context->errstr);
    freeReplyObject(reply);
    return good;
}

static bool counts(redisReply *reply, long long number)
{
    bool good = reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == number;
    freeReplyObject(reply);
    return good;
}

static void basics(void)
{
    claim("PING is answered", says(redisCommand(context, "PING"), REDIS_REPLY_STATUS, "PONG"));
    claim("SET with a word in the format",
          says(redisCommand(context, "SET %s %s", "{c}foo", "hello world"), REDIS_REPLY_STATUS,
               "OK"));
    claim("GET gives it back",
          says(redisCommand(context, "GET {c}foo"), REDIS_REPLY_STRING, "hello world"));
    static const char bytes[] = "a\0b\r\n\xff";
    claim("bytes by %b are kept", says(redisCommand(context, "SET {c}bar %b", bytes, sizeof bytes),
                                       REDIS_REPLY_STATUS, "OK"));
    redisReply *reply = redisCommand(context, "GET {c}bar");
    claim("with zeros in them",
          reply && reply->len == sizeof bytes && memcmp(reply->str, bytes, sizeof bytes) == 0);
    freeReplyObject(reply);
    claim("a missing key is nil",
          says(redisCommand(context, "GET {c}none"), REDIS_REPLY_NIL, NULL));
    claim("INCR counts", counts(redisCommand(context, "INCR {c}counter"), 1));
    claim("and again", counts(redisCommand(context, "INCR {c}counter"), 2));
    claim("a wrong type is an error, the connection stays",
          says(redisCommand(context, "HGET {c}foo f"), REDIS_REPLY_ERROR,
               "WRONGTYPE Operation against a key holding the wrong kind of value"));
    const char *words[] = {"HSET", "{c}h", "f1", "v1", "f2", "v2"};
    claim("HSET by a vector of words", counts(redisCommandArgv(context, 6, words, NULL), 2));
    reply = redisCommand(context, "HMGET {c}h f1 none f2");
    claim("HMGET is an array with a nil in it", reply && reply->type == REDIS_REPLY_ARRAY &&
                                                    reply->elements == 3 &&
                                                    strcmp(reply->element[0]->str, "v1") == 0 &&
                                                    reply->element[1]->type == REDIS_REPLY_NIL);
    freeReplyObject(reply);
}

static void pipeline(void)
{
    enum { MANY = 10000 };
    freeReplyObject(redisCommand(context, "DEL {c}many"));
    bool good = true;
    for (int i = 0; i < MANY; i++)
        good &= redisAppendCommand(context, "INCR {c}many") == REDIS_OK;
    for (int i = 1; good && i <= MANY; i++) {
        redisReply *reply;
        good = redisGetReply(context, (void **)&reply) == REDIS_OK && counts(reply, i);
    }
    claim("ten thousand in a pipeline are answered in order", good);
}

static void transaction(void)
{
    redisAppendCommand(context, "MULTI");
    redisAppendCommand(context, "SET {c}t %d", 1);
    redisAppendCommand(context, "HGETALL {c}h");
    redisAppendCommand(context, "EXEC");
    redisReply *reply = NULL;
    for (int i = 0; i < 4; i++) {
        freeReplyObject(reply);
        reply = NULL;
        if (redisGetReply(context, (void **)&reply) != REDIS_OK)
            break;
    }
    claim("EXEC answers what was queued, nested",
          reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
              reply->element[1]->type == REDIS_REPLY_ARRAY && reply->element[1]->elements == 4);
    freeReplyObject(reply);
}

static void subscribe(int port)
{
    redisContext *other = redisConnect("127.0.0.1", port);
    freeReplyObject(redisCommand(other, "SUBSCRIBE {c}channel"));
    claim("a message reaches one", counts(redisCommand(context, "PUBLISH {c}channel hello"), 1));
    redisReply *reply = NULL;
    claim("and is read without asking", redisGetReply(other, (void **)&reply) == REDIS_OK &&
                                            reply->elements == 3 &&
                                            strcmp(reply->element[0]->str, "message") == 0 &&
                                            strcmp(reply->element[2]->str, "hello") == 0);
    freeReplyObject(reply);
    redisFree(other);
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 6379;
    struct timeval patience = {10, 0};
    context = redisConnectWithTimeout("127.0.0.1", port, patience);
    if (!context || context->err) {
        printf("not ok hiredis: it connects\n");
        return 1;
    }
    redisSetTimeout(context, patience);
    freeReplyObject(redisCommand(context, "DEL {c}foo {c}bar {c}counter {c}h {c}t {c}many"));
    basics();
    pipeline();
    transaction();
    subscribe(port);
    redisFree(context);
    return failed;
}
