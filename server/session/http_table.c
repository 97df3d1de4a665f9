/* http_table.c - every route: from this table requests are dispatched and /v1/openapi.json is made.
 * The hot ones come first. */
#include "session/http_priv.h"

/* --- parameters ------------------------------------------------------------------------------- */

#define STRING "{\"type\":\"string\"}"
#define TEXT_OF(schema) "{\"type\":\"string\",\"pattern\":\"" schema "\"}"
#define LIST_LIMIT "{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000,\"default\":1000}"

static const struct http_param affinity = {
    "affinity", "query", STRING, "key that chooses the partition instead of the key itself"};
static const struct http_param affinity_field = {"Affinity", "header", STRING,
                                                 "the same as a header field"};
static const struct http_param if_match = {
    "If-Match", "header", STRING, "* (the key exists), or entity tags, one of which it has"};
static const struct http_param if_none_match = {
    "If-None-Match", "header", STRING,
    "* (the key does not exist), or entity tags it must not have"};
static const struct http_param ttl_field = {
    "TTL", "header", TEXT_OF("^([0-9]+(ms|s|m|h|d)?|none|keep)$"),
    "time to live: seconds, or with a unit; none: for ever; keep: what the key has; default: the "
    "cache's"};
static const struct http_param ttl = {"ttl", "query", TEXT_OF("^([0-9]+(ms|s|m|h|d)?|none)$"),
                                      "time to live: seconds, or with a unit; none: for ever"};
static const struct http_param prefix = {"prefix", "query", STRING, "only keys that begin so"};
static const struct http_param limit = {"limit", "query", LIST_LIMIT, "entries of one page"};
static const struct http_param cursor = {
    "cursor", "query", STRING,
    "of the last page: where to go on; a key that is there all the time is "
    "told at least once"};
static const struct http_param values = {"values", "query",
                                         "{\"type\":\"boolean\",\"default\":false}", "with values"};
static const struct http_param info = {"info", "query", "{\"type\":\"boolean\",\"default\":false}",
                                       "the cache itself and how many entries it has instead"};
static const struct http_param read_from = {
    "read", "query",
    "{\"type\":\"string\",\"enum\":[\"primary\",\"local\"],\"default\":\"primary\"}",
    "local: a copy in sync on this node may answer; when the node has lost touch without knowing "
    "it, as things were up to 300 ms ago"};
static const struct http_param by = {"by", "query", "{\"type\":\"integer\",\"default\":1}",
                                     "what is added; may be negative"};

static const struct http_param of_cache = {"cache", "query", STRING,
                                           "context/cache that the task begins in"};
static const struct http_param of_map_cache = {"cache", "query", STRING,
                                               "context/cache whose entries it is given"};
static const struct http_param map_cursor = {
    "cursor", "query", STRING,
    "of the last page: where to go on; rows that are reduced are one page"};
static const struct http_param time_ms = {"time_ms", "query",
                                          "{\"type\":\"integer\",\"minimum\":0,\"default\":60000}",
                                          "ms that it may take"};
static const struct http_param of_key = {
    "key", "query", STRING, "what the task is about, be it there or not; it says which partition"};
static const struct http_param idempotency_key = {
    "Idempotency-Key", "header", STRING,
    "up to 128 bytes of the client's choice: the task is done for this key with them once, "
    "wherever it is asked again within session_ttl (1 h), whatever failed meanwhile; and its "
    "result is answered each time"};

static const struct http_param once_cast = {"Idempotency-Key", "header", STRING,
                                            "up to 128 bytes of the client's choice: a node that "
                                            "ran it with them answers what it answered, "
                                            "for 10 minutes, and does not run it again"};
static const struct http_param on_nodes = {"nodes", "query", STRING,
                                           "LABEL=VALUE of the nodes that run it; default: all"};

static const struct http_param service_key = {"key", "query", STRING,
                                              "whose instance (mode key), or which of the copies"};
static const struct http_param again = {"again", "query",
                                        "{\"type\":\"boolean\",\"default\":false}",
                                        "done twice is fine: asked again when its node is lost"};

static const struct http_param of_job_key = {"key", "query", STRING,
                                             "what the job is about; it runs beside it, if it may. "
                                             "Without one: on the node with most room"};
static const struct http_param of_job_cache = {"cache", "query", STRING,
                                               "context/cache that the job works on"};
static const struct http_param once_submitted = {"Idempotency-Key", "header", STRING,
                                                 "up to 128 bytes of the client's choice: what is "
                                                 "submitted again with them is the same job, for "
                                                 "as long as that is kept"};
static const struct http_param priority = {
    "priority", "query", "{\"type\":\"integer\",\"minimum\":0,\"maximum\":9,\"default\":5}",
    "0 goes first"};
static const struct http_param attempts = {
    "attempts", "query", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":1}",
    "it has failed when its code failed so often"};
#define MS "{\"type\":\"integer\",\"minimum\":0}"
static const struct http_param backoff_ms = {"backoff_ms", "query", MS,
                                             "before it is tried again, doubled each time"};
static const struct http_param deadline_ms = {"time_ms", "query", MS,
                                              "queued or running, it fails then"};
static const struct http_param delay_ms = {"delay_ms", "query", MS, "it does not begin earlier"};
static const struct http_param keep_ms = {"keep_ms", "query", MS,
                                          "how long it can be asked for when it has ended"};
static const struct http_param of_nodes = {"nodes", "query", STRING,
                                           "LABEL=VALUE of the nodes that may run it"};

#define PARAMS(...)                                                                                \
    (const struct http_param *const[])                                                             \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* --- outcomes --------------------------------------------------------------------------------- */

#define JSON "application/json"
#define OUTCOMES(...)                                                                              \
    (const struct http_outcome[])                                                                  \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0, NULL, NULL, NULL                                                                    \
        }                                                                                          \
    }
#define NOT_FOUND                                                                                  \
    {                                                                                              \
        404, "application/problem+json", NULL, "no such key, cache or context"                     \
    }
#define NOT_MET                                                                                    \
    {                                                                                              \
        412, "application/problem+json", NULL, "the condition is not met"                          \
    }

/* --- schemas ---------------------------------------------------------------------------------- */

#define INTEGER "{\"type\":\"integer\"}"
#define BYTES                                                                                      \
    "{\"oneOf\":[" STRING ",{\"type\":\"object\",\"required\":[\"base64\"],\"properties\":{"       \
    "\"base64\":" STRING "}}]}"
#define LIST_OF(name, item)                                                                        \
    "{\"type\":\"object\",\"required\":[\"" name "\"],\"properties\":{\"" name                     \
    "\":{\"type\":\"array\",\"items\":" item "}}}"
#define ENTRY_FIELDS                                                                               \
    "\"key\":" BYTES ",\"version\":" STRING ",\"ttl_ms\":" INTEGER ",\"affinity\":" BYTES          \
    ",\"media\":" STRING ",\"value\":{}"
#define KEYS                                                                                       \
    LIST_OF("keys",                                                                                \
            "{\"oneOf\":[" STRING ",{\"type\":\"object\",\"description\":\"{base64}, or {key, "    \
            "affinity}\"}]}")
#define PUTS                                                                                       \
    LIST_OF("entries",                                                                             \
            "{\"type\":\"object\",\"required\":[\"key\",\"value\"],\"properties\":{"               \
            "\"key\":" BYTES ",\"value\":" BYTES ",\"media\":" STRING ",\"affinity\":" BYTES       \
            ",\"ttl\":{},\"if_absent\":{\"type\":\"boolean\"},\"if_version\":" STRING "}}")
#define RESULTS                                                                                    \
    LIST_OF("results", "{\"type\":\"object\",\"properties\":{\"status\":" INTEGER                  \
                       ",\"code\":" STRING "," ENTRY_FIELDS "}}")

#define IN_ORDER OUTCOMES({200, JSON, RESULTS, "an answer for each, in the order asked"})

#define READY                                                                                      \
    "{\"type\":\"object\",\"properties\":{\"ready\":{\"type\":\"boolean\"},\"reasons\":{"          \
    "\"type\":\"array\",\"items\":" STRING "}}}"

#define JOB                                                                                        \
    "{\"type\":\"object\",\"properties\":{\"id\":" STRING ",\"job\":" STRING                       \
    ",\"status\":{\"type\":\"string\",\"enum\":[\"queued\",\"running\",\"done\",\"failed\","       \
    "\"cancelled\"]},\"progress\":{\"type\":\"number\"},\"result\":" BYTES "}}"

/* --- the table -------------------------------------------------------------------------------- */

#define CACHE "/v1/caches/{context}/{cache}"
#define KEY CACHE "/{key}"

const struct http_route http_routes[] = {
    {.method = HTTP_GET,
     .path = KEY,
     .handle = http_get,
     .right = RIGHT_READ,
     .name = "get",
     .summary = "the value of a key, with the Content-Type it was put with; HEAD: without it",
     .params = PARAMS(&affinity, &affinity_field, &if_match, &if_none_match, &read_from),
     .outcomes = OUTCOMES({200, "*/*", "{\"type\":\"string\",\"format\":\"binary\"}",
                           "the value; ETag: its version; TTL: seconds it has left, if it has"},
                          {304, NULL, NULL, "it has a version that If-None-Match names"}, NOT_FOUND,
                          NOT_MET)},
    {.method = HTTP_PUT,
     .path = KEY,
     .handle = http_put,
     .right = RIGHT_WRITE,
     .body = BODY_VALUE,
     .name = "put",
     .summary = "set the value of a key; its Content-Type is kept",
     .params = PARAMS(&affinity, &affinity_field, &if_match, &if_none_match, &ttl_field),
     .outcomes = OUTCOMES({201, NULL, NULL, "the key is new"},
                          {204, NULL, NULL, "the value was replaced; ETag: the new version"},
                          NOT_MET, {413, "application/problem+json", NULL, "larger than max_value"},
                          {507, "application/problem+json", NULL, "the limit of memory or disk"})},
    {.method = HTTP_DELETE,
     .path = KEY,
     .handle = http_delete,
     .right = RIGHT_WRITE,
     .name = "delete",
     .summary = "remove a key",
     .params = PARAMS(&affinity, &affinity_field, &if_match, &if_none_match),
     .outcomes = OUTCOMES({204, NULL, NULL, "it is gone"}, NOT_FOUND, NOT_MET)},
    {.method = HTTP_POST,
     .path = KEY "/incr",
     .handle = http_incr,
     .right = RIGHT_WRITE,
     .name = "incr",
     .summary = "add to a counter, which begins at 0",
     .params = PARAMS(&by, &affinity, &affinity_field, &if_match, &if_none_match),
     .outcomes = OUTCOMES(
         {200, JSON, "{\"type\":\"object\",\"properties\":{\"value\":{\"type\":\"integer\"}}}",
          "the new number"},
         {409, "application/problem+json", NULL,
          "the value is not a 64-bit number, or would become none"})},
    {.method = HTTP_POST,
     .path = KEY "/expire",
     .handle = http_expire,
     .right = RIGHT_WRITE,
     .name = "expire",
     .summary = "give a key another time to live",
     .params = PARAMS(&ttl, &affinity, &affinity_field, &if_match, &if_none_match),
     .outcomes = OUTCOMES({204, NULL, NULL, "done; ETag: the new version"}, NOT_FOUND, NOT_MET)},
    {.method = HTTP_GET,
     .path = CACHE,
     .handle = http_list,
     .right = RIGHT_READ,
     .name = "list",
     .summary = "the keys of a cache, page by page",
     .params = PARAMS(&prefix, &limit, &cursor, &values, &info, &read_from),
     .outcomes = OUTCOMES({200, JSON,
                           "{\"type\":\"object\",\"properties\":{\"entries\":{\"type\":\"array\","
                           "\"items\":{\"type\":\"object\",\"properties\":{" ENTRY_FIELDS "}}},"
                           "\"cursor\":" STRING "}}",
                           "a page; without a cursor it is the last one"},
                          NOT_FOUND)},
    {.method = HTTP_POST,
     .path = CACHE "/_get",
     .handle = http_get_many,
     .right = RIGHT_READ,
     .body = BODY_JSON,
     .name = "getMany",
     .summary = "the values of many keys",
     .params = PARAMS(&read_from),
     .request = KEYS,
     .outcomes = IN_ORDER},
    {.method = HTTP_POST,
     .path = CACHE "/_put",
     .handle = http_put_many,
     .right = RIGHT_WRITE,
     .body = BODY_JSON,
     .name = "putMany",
     .summary = "put many entries, each done or not for itself",
     .request = PUTS,
     .outcomes = IN_ORDER},
    {.method = HTTP_POST,
     .path = CACHE "/_delete",
     .handle = http_delete_many,
     .right = RIGHT_WRITE,
     .body = BODY_JSON,
     .name = "deleteMany",
     .summary = "remove many keys, each for itself",
     .request = KEYS,
     .outcomes = IN_ORDER},
    {.method = HTTP_POST,
     .path = "/v1/tasks/{task}",
     .handle = http_run,
     .right = RIGHT_COMPUTE,
     .body = BODY_VALUE,
     .name = "run",
     .summary = "run MODULE.TASK where the key is, and answer its result; the body is its argument",
     .params = PARAMS(&of_cache, &of_key, &affinity, &affinity_field, &idempotency_key),
     .params_needed = 2,
     .outcomes =
         OUTCOMES({200, "*/*", "{\"type\":\"string\",\"format\":\"binary\"}",
                   "the result; all that the task wrote is done"},
                  {404, "application/problem+json", NULL, "no such task, cache or context"},
                  {413, "application/problem+json", NULL, "larger than max_value"},
                  {422, "application/problem+json", NULL,
                   "the task failed, and wrote nothing; detail: where and why, in lines; or the "
                   "Idempotency-Key was used with another request"})},
    {.method = HTTP_POST,
     .path = "/v1/services/{service}/{method}",
     .right = RIGHT_COMPUTE,
     .handle = http_service,
     .body = BODY_VALUE,
     .name = "callService",
     .summary =
         "call a method of MODULE.SERVICE wherever it lives, and answer its result; the body "
         "is its argument",
     .params = PARAMS(&service_key, &again),
     .outcomes = OUTCOMES(
         {200, "*/*", "{\"type\":\"string\",\"format\":\"binary\"}", "the answer"},
         {404, "application/problem+json", NULL, "no such service, or no code"},
         {422, "application/problem+json", NULL,
          "the service failed; detail: where and why, in lines"},
         {504, "application/problem+json", NULL, "its node was lost: it may have been done"})},
    {.method = HTTP_POST,
     .path = "/v1/maps/{map}",
     .handle = http_map,
     .right = RIGHT_COMPUTE,
     .body = BODY_VALUE,
     .name = "map",
     .summary = "run MODULE.MAP over the entries of a cache; the body is its argument",
     .params = PARAMS(&of_map_cache, &map_cursor, &time_ms),
     .params_needed = 1,
     .outcomes = OUTCOMES({200, JSON, LIST_OF("rows", "{\"type\":\"object\"}"),
                           "rows, and a cursor when there are more"},
                          {404, "application/problem+json", NULL, "no such map, cache or context"},
                          {413, "application/problem+json", NULL, "more rows than are told"},
                          {422, "application/problem+json", NULL,
                           "the map failed; detail: where and why, in lines"})},
    {.method = HTTP_POST,
     .path = "/v1/broadcasts/{broadcast}",
     .handle = http_broadcast,
     .right = RIGHT_COMPUTE,
     .body = BODY_VALUE,
     .name = "broadcast",
     .summary = "run MODULE.NAME once on each node that is up; the body is its argument",
     .params = PARAMS(&on_nodes, &once_cast),
     .outcomes = OUTCOMES(
         {200, JSON,
          LIST_OF("nodes", "{\"type\":\"object\",\"properties\":{\"node\":" STRING
                           ",\"code\":" STRING ",\"rows\":" BYTES ",\"detail\":" BYTES "}}"),
          "each node for itself: OK and its rows, or why not; TIMEOUT, IN_DOUBT: it may have run "
          "it"},
         {404, "application/problem+json", NULL, "no such broadcast"},
         {422, "application/problem+json", NULL,
          "the Idempotency-Key was used with another request"})},
    {.method = HTTP_POST,
     .path = "/v1/jobs/{job}",
     .handle = http_job_submit,
     .right = RIGHT_COMPUTE,
     .body = BODY_VALUE,
     .name = "submitJob",
     .summary =
         "queue MODULE.JOB (or a task) in the partition of the key; the body is its argument",
     .params =
         PARAMS(&of_job_cache, &of_job_key, &affinity, &affinity_field, &once_submitted, &priority,
                &attempts, &backoff_ms, &deadline_ms, &delay_ms, &keep_ms, &of_nodes),
     .params_needed = 1,
     .outcomes = OUTCOMES(
         {201, JSON, "{\"type\":\"object\",\"properties\":{\"id\":" STRING "}}",
          "it is queued, in all copies; Location: where to ask for it"},
         {404, "application/problem+json", NULL, "no such job, cache or context; detail: which"},
         {422, "application/problem+json", NULL,
          "the Idempotency-Key was used with another request"},
         {503, "application/problem+json", NULL, "too many jobs wait"})},
    {.method = HTTP_GET,
     .path = "/v1/jobs/{job}",
     .handle = http_job_show,
     .right = RIGHT_ANYBODY, /* compute of its code: looked at when it is known */
     .name = "showJob",
     .summary = "a job, by its id: status, progress, result",
     .outcomes = OUTCOMES({200, JSON, JOB, "how it is now; result: of one that failed, why"},
                          {404, "application/problem+json", NULL, "there is no such job"})},
    {.method = HTTP_DELETE,
     .path = "/v1/jobs/{job}",
     .handle = http_job_cancel,
     .right = RIGHT_ANYBODY, /* likewise */
     .name = "cancelJob",
     .summary = "cancel a job, by its id: what it has written by its checkpoints stays",
     .outcomes = OUTCOMES({204, NULL, NULL, "it is cancelled, and kept for a while"},
                          {404, "application/problem+json", NULL, "there is no such job"},
                          {412, "application/problem+json", NULL, "it had ended"})},
    {.method = HTTP_GET,
     .path = "/v1/caches",
     .handle = http_caches,
     .right = RIGHT_ANYBODY,
     .name = "caches",
     .summary = "all caches",
     .outcomes = OUTCOMES({200, JSON, LIST_OF("caches", "{\"type\":\"object\"}"), "all caches"})},
    {.method = HTTP_GET,
     .path = "/v1/status",
     .handle = http_status,
     .right = RIGHT_ANYBODY,
     .name = "status",
     .summary = "the grid and its nodes, as gridctl status --json",
     .outcomes = OUTCOMES({200, JSON, "{\"type\":\"object\"}", "the status"})},
    {.method = HTTP_GET,
     .path = "/v1/openapi.json",
     .handle = http_openapi,
     .right = RIGHT_ANYBODY,
     .open = true,
     .name = "openapi",
     .summary = "this description",
     .outcomes = OUTCOMES({200, JSON, "{\"type\":\"object\"}", "OpenAPI 3.0"})},
    {.method = HTTP_GET,
     .path = "/",
     .handle = http_page,
     .right = RIGHT_ANYBODY,
     .open = true,
     .name = "index",
     .summary = "a page for people",
     .outcomes = OUTCOMES({200, "text/html", STRING, "the page"})},
    {.method = HTTP_GET,
     .path = "/healthz",
     .handle = http_healthz,
     .right = RIGHT_ANYBODY,
     .open = true,
     .name = "healthz",
     .summary = "the node is alive",
     .outcomes = OUTCOMES({200, "text/plain", STRING, "it is"})},
    {.method = HTTP_GET,
     .path = "/readyz",
     .handle = http_readyz,
     .right = RIGHT_ANYBODY,
     .open = true,
     .name = "readyz",
     .summary = "the node serves; else why not",
     .outcomes = OUTCOMES({200, JSON, READY, "it does"},
                          {503, JSON, READY,
                           "it does not, for these reasons: stopping, damaged_partitions, "
                           "disk_full, checkpoint_stuck"})},
    {.method = HTTP_GET,
     .path = "/metrics",
     .handle = http_metrics,
     .right = RIGHT_ANYBODY,
     .name = "metrics",
     .summary = "all metrics, as OpenMetrics text where Accept names it, else as Prometheus text",
     .outcomes = OUTCOMES({200, "text/plain", STRING, "the metrics"})},
};

const size_t http_routes_len = sizeof http_routes / sizeof *http_routes;
