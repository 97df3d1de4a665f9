/* resp_config.c - CONFIG: a table of what Redis clients ask for (resp_config.def). What may be set
 * is told to all threads, so that any connection is told the same. */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "control/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { FIXED, KNOB_BOOL, KNOB_NUMBER, KNOB_MEMORY, KNOB_TEXT, VALUE_MAX };
enum { KNOB_BYTES = 64 };

static const struct parameter {
    const char *name;
    enum kind kind;
    const char *value;
} parameters[] = {
#define X(name, kind, value) {name, kind, value},
#include "session/resp_config.def"
#undef X
};
enum { PARAMETERS = sizeof parameters / sizeof *parameters };

/* What was set; empty: nothing. */
struct resp_knobs {
    char text[PARAMETERS][KNOB_BYTES];
    bool set[PARAMETERS];
};

void resp_knobs_free(struct resp_knobs *k)
{
    free(k);
}

static const char *value_of(const struct resp_session *r, size_t i, char text[KNOB_BYTES])
{
    const struct resp_knobs *k = r->base.ports->errands->knobs;
    if (parameters[i].kind == VALUE_MAX) {
        int64_t max = catalog_setting(session_catalog(&r->base), SETTING_max_value);
        snprintf(text, KNOB_BYTES, "%" PRId64, max);
        return text;
    }
    return k && k->set[i] ? k->text[i] : parameters[i].value;
}

const char *resp_config_value(const struct errands *here, const char *name)
{
    for (size_t i = 0; i < PARAMETERS; i++)
        if (strcmp(parameters[i].name, name) == 0)
            return here->knobs && here->knobs->set[i] ? here->knobs->text[i] : parameters[i].value;
    check_failed("a parameter of the table", __FILE__, __LINE__, __func__);
}

/* --- GET -------------------------------------------------------------------------------------- */

/* What parameter `i` is called in the answer: as it was asked for; empty: it was not. */
static struct slice asked_as(const struct resp_request *q, size_t i)
{
    for (uint32_t a = 2; a < q->args_len; a++) {
        bool pattern = false;
        for (size_t at = 0; at < q->args[a].len; at++)
            pattern |= strchr("[*?", q->args[a].data[at]) && q->args[a].data[at];
        if (pattern && resp_name_fits(q->args[a], parameters[i].name))
            return slice_str(parameters[i].name);
        if (!pattern && resp_word_is(q->args[a], parameters[i].name))
            return q->args[a];
    }
    return slice_make(NULL, 0);
}

void resp_config_get(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    uint64_t n = 0;
    char text[KNOB_BYTES];
    for (size_t i = 0; i < PARAMETERS; i++)
        n += asked_as(q, i).len != 0;
    resp_map(out, n, r->resp3);
    for (size_t i = 0; i < PARAMETERS; i++) {
        struct slice name = asked_as(q, i);
        if (!name.len)
            continue;
        resp_bulk(out, name);
        resp_bulk(out, slice_str(value_of(r, i, text)));
    }
}

/* --- SET -------------------------------------------------------------------------------------- */

static size_t parameter_named(struct slice name)
{
    size_t i = 0;
    while (i < PARAMETERS && !resp_word_is(name, parameters[i].name))
        i++;
    return i;
}

/* Why the parameter cannot have this value; NULL: it can. `text` is how it is kept. */
static const char *value_fault(const struct resp_session *r, size_t i, struct slice value,
                               char text[KNOB_BYTES])
{
    int64_t n;
    char now[KNOB_BYTES];
    switch (parameters[i].kind) {
    case FIXED:
        return slice_eq(value, slice_str(value_of(r, i, now))) ? NULL
                                                               : "can't set immutable config";
    case KNOB_BOOL:
        if (!resp_word_is(value, "yes") && !resp_word_is(value, "no"))
            return "argument must be 'yes' or 'no'";
        break;
    case KNOB_NUMBER:
        if (!resp_number(value, &n))
            return "argument couldn't be parsed into an integer";
        break;
    case KNOB_MEMORY:
    case VALUE_MAX:
        if (!resp_memory(value, &n))
            return "argument must be a memory value";
        snprintf(text, KNOB_BYTES, "%" PRId64, n);
        return NULL;
    case KNOB_TEXT:
        break;
    }
    return resp_string(value, text, KNOB_BYTES) ? NULL : "argument is too long";
}

static void set_refuse(struct resp_session *r, struct slice name, const char *why)
{
    char behind[64];
    if (why) {
        snprintf(behind, sizeof behind, ") - %s", why);
        resp_refuse_word(r, "ERR CONFIG SET failed (possibly related to argument ", name, behind);
    } else {
        resp_refuse_word(r, "ERR Unknown option or number of arguments for CONFIG SET - ", name,
                         "");
    }
}

/* args: what struct wanted has of knobs. */
static uint64_t set_run(struct errands *here, const struct errand *e, struct buf *out)
{
    (void)out;
    if (!here->knobs)
        here->knobs = xcalloc(1, sizeof *here->knobs);
    const uint8_t *at = e->args[0].data, *end = at + e->args[0].len;
    for (; at < end; at += 2 + KNOB_BYTES) {
        size_t i = load_u16(at);
        memcpy(here->knobs->text[i], at + 2, KNOB_BYTES);
        here->knobs->set[i] = true;
    }
    return 0;
}

static void set_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                       uint32_t part, const struct result *res)
{
    (void)part;
    if (res->status)
        slot->error = res->status;
    if (--slot->left)
        return;
    struct buf *out = resp_open(r, number);
    if (slot->error)
        resp_error_text(out, "ERR CONFIG SET failed (possibly related to argument "
                             "'proto-max-bulk-len') - argument is out of the setting's range");
    else
        resp_ok(out);
    resp_close(r, number);
}

/* What a CONFIG SET asks for. */
struct wanted {
    bool named[PARAMETERS];
    struct buf knobs; /* u16 parameter, KNOB_BYTES of text */
    bool has_max;
    int64_t max;
};

/* NULL, or the first parameter that cannot be set; *ret_why: see set_refuse(). */
static const struct slice *set_read(struct resp_session *r, const struct resp_request *q,
                                    struct wanted *want, const char **ret_why)
{
    for (uint32_t a = 2; a < q->args_len; a += 2) { /* names first, as Redis does */
        size_t i = parameter_named(q->args[a]);
        *ret_why = i < PARAMETERS && want->named[i] ? "duplicate parameter" : NULL;
        if (i == PARAMETERS || *ret_why)
            return &q->args[a];
        want->named[i] = true;
    }
    for (uint32_t a = 2; a < q->args_len; a += 2) {
        char text[KNOB_BYTES] = "";
        size_t i = parameter_named(q->args[a]);
        *ret_why = value_fault(r, i, q->args[a + 1], text);
        if (*ret_why)
            return &q->args[a];
        if (parameters[i].kind == VALUE_MAX) {
            want->has_max = true;
            want->max = strtoll(text, NULL, 10);
        } else if (parameters[i].kind != FIXED) {
            buf_add_u16(&want->knobs, (uint16_t)i);
            buf_add(&want->knobs, text, sizeof text);
        }
    }
    return NULL;
}

static void set_do(struct resp_session *r, const struct wanted *want)
{
    uint64_t number;
    struct errand e = {.run = set_run, .args_len = 1, .args = {buf_slice(&want->knobs)}};
    struct admin_request a = {.op = ADMIN_SETTINGS_SET, .name = "max_value", .value = want->max};
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = set_result;
    slot->error = GRID_OK;
    slot->left = (want->knobs.len ? 1u : 0u) + (want->has_max ? 1u : 0u);
    if (want->knobs.len)
        session_everywhere(&r->base, number, &e);
    if (want->has_max)
        session_admin(&r->base, number, &a);
}

enum resp_taken resp_config_set(struct resp_session *r, const struct resp_request *q)
{
    struct wanted want = {.knobs = BUF_INIT};
    const char *why = NULL;
    if (q->args_len % 2) {
        resp_refuse(r, "ERR syntax error");
        return RESP_TAKEN;
    }
    const struct slice *refused = set_read(r, q, &want, &why);
    if (refused) {
        set_refuse(r, *refused, why);
    } else if (want.knobs.len || want.has_max) {
        set_do(r, &want);
    } else {
        resp_ok(resp_open_now(r)); /* all is as it was wanted */
        resp_close_now(r);
    }
    buf_release(&want.knobs);
    return RESP_TAKEN;
}

/* --- the rest --------------------------------------------------------------------------------- */

void resp_config_resetstat(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_ok(out); /* metrics count from the start, so that rates can be made of them */
}

void resp_config_rewrite(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_error_text(out, "ERR The server is running without a config file");
}
