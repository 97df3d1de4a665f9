/* modules.c - what operators do with modules. A source is users' code, and takes as long as a call
 * may: it is read by the worker that was asked, not by the control thread, for which all wait. */
#include "compute/library.h"
#include "control/settings.h"
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t now_us(void *nobody)
{
    (void)nobody;
    return clock_mono_us();
}

/* It may quote any bytes of the source; what is told is text, and its last character whole. */
static void why_set(struct job *j, struct slice why)
{
    size_t len = why.len < sizeof j->why ? why.len : sizeof j->why - 1;
    while (len && len < why.len && (why.data[len] & 0xc0) == 0x80)
        len--;
    snprintf(j->why, sizeof j->why, "%.*s", (int)len, (const char *)why.data);
    if (utf8_valid(slice_str(j->why)))
        return;
    for (char *c = j->why; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
}

void job_source_keep(struct job *j)
{
    if (j->request.source.len)
        buf_add(&j->source, j->request.source.data, j->request.source.len);
    j->request.source = buf_slice(&j->source);
}

void module_read(struct worker *w, struct job *j)
{
    struct admin_request *r = &j->request;
    struct library_limits limits = {
        .run = {.steps = (uint64_t)catalog_setting(w->catalog, SETTING_script_steps),
                .memory = (size_t)catalog_setting(w->catalog, SETTING_script_memory),
                .time_us = (uint64_t)catalog_setting(w->catalog, SETTING_script_time) * 1000},
        .now_us = now_us};
    struct buf fault = BUF_INIT;
    job_source_keep(j);
    if (!library_read(r->source, slice_str(r->name), &limits, &j->module, &fault)) {
        j->err = GRID_EBAD_REQUEST;
        why_set(j, buf_slice(&fault));
    } else {
        snprintf(r->name, sizeof r->name, "%s", j->module.name);
    }
    buf_release(&fault);
}

void module_release(struct job *j)
{
    free((void *)(uintptr_t)j->module.functions);
    buf_release(&j->source);
}

/* Those asked for: one that was deployed without its source, which who asked has. */
void modules_reply(struct job *j, struct admin_reply *reply)
{
    const struct catalog *c = j->catalog;
    const char *name = j->request.name;
    struct admin_module *list = xcalloc(c->modules_len, sizeof *list);
    for (size_t i = 0; i < c->modules_len; i++)
        if (!name[0] || strcmp(name, c->modules[i]->info.name) == 0)
            list[reply->modules_len++] =
                (struct admin_module){c->modules[i], j->request.op == ADMIN_MODULE_SHOW};
    if (j->request.op == ADMIN_MODULE_SHOW && !reply->modules_len) {
        j->err = GRID_ENOT_FOUND;
        snprintf(j->why, sizeof j->why, "no module %s", name);
    }
    reply->modules = list;
    reply_encode(j, reply);
    free(list);
}
