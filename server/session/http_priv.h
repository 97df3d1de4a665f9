/* http_priv.h - a session of HTTP/1.1, as its files share it.
 *
 *   bytes -> http_head (http_parser) -> route (http_table.c) -> its handler -> ops, errands, admin
 *         <- http_answer.c: a ring of requests whose answers are sent in the order they came
 *
 * How a route is added: a line in the table of http_table.c and a handler. It gets the request
 * (everything in it is good for the call only) and either calls http_answer() or http_problem(), or
 * asks with http_submit(), http_admin(), http_everywhere(), leaving a function in request->pending
 * that is called with what was answered, and answers there. Exactly one answer per request. */
#ifndef GRIDD_SESSION_HTTP_PRIV_H
#define GRIDD_SESSION_HTTP_PRIV_H

#include "data/value.h"
#include "session/http_head.h"
#include "session/http_text.h"
#include "session/session_priv.h"

enum {
    PENDING_MAX = 64, /* requests of one connection that are not answered yet; a power of two */
    PARAMS_MAX = 3,   /* of a path */
    QUERY_MAX = 16,   /* parameters behind the '?' */
    JSON_BODY_MAX = 1 << 20,
    IGNORED_BODY_MAX = 64 << 10, /* of requests that have no use for one */
};

/* --- requests --------------------------------------------------------------------------------- */

struct http_session;
struct http_request;
struct http_pending;

typedef void http_handler(struct http_session *h, struct http_request *r);
typedef void http_result_fn(struct http_session *h, struct http_pending *p,
                            const struct result *res);
typedef void http_collected_fn(struct http_session *h, struct http_pending *p,
                               const struct collection *all);
typedef void http_admin_fn(struct http_session *h, struct http_pending *p, enum grid_err status,
                           struct slice detail, struct slice reply);

enum http_body { BODY_NONE, BODY_VALUE /* up to max_value */, BODY_JSON /* up to JSON_BODY_MAX */ };

/* A parameter of a query or a header field, for the description. */
struct http_param {
    const char *name;
    const char *in;     /* "query", "header" */
    const char *schema; /* JSON */
    const char *summary;
};

/* What may be answered, for the description. */
struct http_outcome {
    unsigned status;
    const char *media;  /* NULL: no body */
    const char *schema; /* JSON */
    const char *summary;
};

struct http_route {
    enum http_method method; /* HTTP_GET answers HEAD as well */
    const char *path;        /* /literal/{parameter}/... ; a parameter is one segment, not empty */
    http_handler *handle;
    enum http_body body;
    bool open;        /* nobody is asked who he is */
    enum right right; /* that it takes, of the cache or the code that its path names */
    const char *name, *summary;
    const struct http_param *const *params; /* up to a NULL; NULL: none */
    size_t params_needed;                   /* so many, the first ones, have to be given */
    const char *request;                    /* schema (JSON) of BODY_JSON */
    const struct http_outcome *outcomes;    /* up to a status of 0 */
};

extern const struct http_route http_routes[];
extern const size_t http_routes_len;

struct http_match {
    const struct http_route *route; /* NULL: none for the method; any path: see allowed */
    struct slice params[PARAMS_MAX];
    uint64_t allowed; /* 1 << enum http_method of the routes whose path it is */
};
void http_route_find(enum http_method method, struct slice path, struct http_match *ret_match);

struct http_request {
    const struct http_route *route;
    struct http_pending *pending;
    struct slice params[PARAMS_MAX]; /* of the path, still percent-encoded */
    struct slice query;
    struct slice headers[HEADER_KINDS]; /* data NULL: not there */
    struct slice body;
};

/* --- answers (http_answer.c) ------------------------------------------------------------------ */

/* A request that is not answered yet, or whose answer waits for those before it. Good until the
 * next request is taken. */
struct http_pending {
    uint64_t number;
    http_result_fn *result; /* what is to be called: set before asking */
    http_collected_fn *collected;
    http_admin_fn *admin;
    void *state; /* the handler's: freed with the request, by release() or free() */
    void (*release)(void *state);
    uint64_t note; /* the handler's, too */
    bool answered;
    bool head;  /* HEAD: no body */
    bool close; /* the connection ends with this answer */
    bool old;   /* HTTP/1.0 */
    struct buf held;
};

struct http_answer {
    unsigned status;
    struct slice media; /* of the body; empty: none */
    struct slice body;
    uint64_t version; /* ETag; 0: none */
    msec_t ttl_ms;    /* what is left; 0: none */
    const char *more; /* whole header lines, or NULL */
};

void http_answer(struct http_session *h, struct http_pending *p, const struct http_answer *a);
/* application/problem+json. `detail`: what was wrong, or NULL. */
void http_problem(struct http_session *h, struct http_pending *p, enum grid_err err,
                  const char *detail);
/* The same when it is HTTP that is wrong; `more` as in http_answer. */
void http_refuse(struct http_session *h, struct http_pending *p, unsigned status,
                 const char *detail, const char *more);
/* An answer of status 200 in JSON. */
void http_json(struct http_session *h, struct http_pending *p, struct slice body);
unsigned http_status_of(enum grid_err err);
const char *http_status_text(unsigned status);

struct http_pending *http_pending_push(struct http_session *h);
struct http_pending *http_pending_find(struct http_session *h, uint64_t number);
void http_pending_release(struct http_session *h);
bool http_pending_full(const struct http_session *h);
/* "100 Continue", as soon as what came before is answered. */
void http_continue(struct http_session *h);

/* --- asking ----------------------------------------------------------------------------------- */

enum http_stage { BETWEEN, IN_HEAD, IN_BODY };

struct http_session {
    struct session base;
    unsigned stage; /* enum http_stage */
    bool ending;    /* an answer that closes has been given or waits: nothing more is taken */
    bool continue_due, continue_wanted;
    struct http_head head;
    struct chunked chunks;
    size_t scanned;   /* bytes of the chunked body gone through */
    size_t progress;  /* bytes of the body there at the last sign of life */
    bool moves;       /* the body has come on since the last look */
    unsigned refused; /* HTTP status; known from the head */
    enum grid_err refused_err;
    const char *why;
    const char *more;

    struct http_pending *ring; /* first..next, at number & (ring_cap - 1) */
    uint32_t ring_cap;
    uint64_t first, next;
    size_t held; /* bytes in `held` of all of them */

    struct { /* the last cache named, as it stood in the path */
        uint64_t revision;
        uint32_t id;
        uint8_t len;
        char path[2 * 64 + 2];
    } cache;
    uint64_t date_s;
    char date[32];
    char allow[48]; /* a header line */
};

static inline struct http_session *http_of(struct session *s)
{
    return container_of(s, struct http_session, base);
}

static inline const struct http_session *http_of_const(const struct session *s)
{
    return (const struct http_session *)(const void *)s; /* base is its first member */
}

/* Submit `op` (in the turn's arena), or, from a result, a copy of it; p->result is called. */
void http_submit(struct http_session *h, struct http_pending *p, struct op *op);
void http_submit_again(struct http_session *h, struct http_pending *p, const struct op *op);
void http_admin(struct http_session *h, struct http_pending *p, const struct admin_request *r);
void http_everywhere(struct http_session *h, struct http_pending *p, const struct errand *e);
/* Memory until the end of the turn, only while a handler runs. NULL: none, and the request is
 * answered. */
void *http_alloc(struct http_session *h, struct http_pending *p, size_t bytes);

/* params[at], percent-decoded into the turn's arena. False: it is malformed or there is no memory,
 * and the request is answered. */
bool http_segment(struct http_session *h, struct http_request *r, unsigned at,
                  struct slice *ret_part);
/* A parameter of the query, likewise; data NULL: not there. _needed: that is answered, too. */
bool http_query_needed(struct http_session *h, struct http_request *r, const char *name,
                       struct slice *ret_value);
bool http_query(struct http_session *h, struct http_request *r, const char *name,
                struct slice *ret_value);
/* A number from the query; *ret_number stays when it is not there. False as above. */
bool http_query_number(struct http_session *h, struct http_request *r, const char *name,
                       uint64_t max, uint64_t *ret_number);
/* true, false, 1 or 0 from the query; not there: false. False as above. */
bool http_query_flag(struct http_session *h, struct http_request *r, const char *name,
                     bool *ret_flag);
/* read=local or read=primary from the query; not there: primary. False as above. */
bool http_query_local(struct http_session *h, struct http_request *r, bool *ret_local);
/* The affinity key of a header field or the query. False as above. */
bool http_affinity(struct http_session *h, struct http_request *r, struct slice *ret_affinity);
/* The body is as it is. False: it has a coding, and the request is answered. */
bool http_plain(struct http_session *h, struct http_request *r);
/* The cache of params[0]/params[1]; that of the query. 0: none, and the request is answered. */
uint32_t http_cache(struct http_session *h, struct http_request *r);
uint32_t http_query_cache(struct http_session *h, struct http_request *r);

/* --- handlers --------------------------------------------------------------------------------- */

http_handler http_get, http_put, http_delete, http_incr, http_expire; /* http_cache.c */
http_handler http_run;                                                /* http_task.c */
http_handler http_service;                                            /* http_service.c */
http_handler http_map;                                                /* http_map.c */
http_handler http_broadcast;                                          /* http_broadcast.c */
http_handler http_job_submit, http_job_show, http_job_cancel;         /* http_job.c */
http_handler http_list;                                               /* http_list.c */
http_handler http_get_many, http_put_many, http_delete_many;          /* http_many.c */
http_handler http_caches, http_status;                                /* http_admin.c */
http_handler http_openapi;                                            /* http_openapi.c */
http_handler http_page;                                               /* http_pages.c */
http_handler http_metrics, http_healthz, http_readyz;                 /* http_metrics.c */

/* Answer with the cache itself (http_admin.c). */
void http_cache_info(struct http_session *h, struct http_pending *p, uint32_t cache,
                     const struct context_info *context);

/* --- values and entries as JSON (http_value.c) ------------------------------------------------ */

/* The fields of a HASH from its stored form. */
void http_add_fields(struct buf *out, struct slice packed);
/* The media type of a value, fit for a header line; empty: it has none. */
struct slice http_media(enum value_type type, struct slice stored);
/* What is left until `deadline` (0: for ever), at least 1; 0: it has none. */
msec_t http_ttl_left(const struct http_session *h, msec_t deadline);
/* {"key", "version", ...}; an empty key is left out. */
void http_add_entry(const struct http_session *h, struct buf *out, const struct scan_item *e,
                    bool with_value);
/* What stands in the place of an entry that has none. */
void http_add_error(struct buf *out, enum grid_err err);

#endif
