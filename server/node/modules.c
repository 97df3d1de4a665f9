/* modules.c - what operators do with modules. A source is users' code, and takes as long as a call
 * may: it is read by the worker that was asked, not by the control thread, for which all wait. */
#include "compute/library.h"
#include "compute/native.h"
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

/* What natives_at(*at) is of, as a module; *at is behind its last one then. */
static struct module *native_module(const struct natives *natives, size_t *at)
{
    const struct native *f = natives_at(natives, *at);
    struct module_info info = {.engine = MODULE_NATIVE};
    size_t len = strcspn(f->path, ".");
    struct module_function *functions = xcalloc(MODULE_FUNCTIONS_MAX, sizeof *functions);
    snprintf(info.name, sizeof info.name, "%.*s", (int)len, f->path);
    for (; f && strncmp(f->path, info.name, len) == 0 && f->path[len] == '.';
         f = natives_at(natives, ++*at)) {
        struct module_function *to = &functions[info.functions_len++];
        *to = (struct module_function){.flags = f->flags, .kind = f->kind};
        snprintf(to->name, sizeof to->name, "%s", f->path + len + 1);
        snprintf(to->help, sizeof to->help, "%s", f->help);
    }
    info.functions = functions;
    struct module *m = module_new(&info);
    free(functions);
    return m;
}

/* Those in C that this node has, behind what the grid has. */
static void natives_list(const struct job *j, struct admin_module *list, size_t *len)
{
    const struct natives *natives = j->node->natives;
    const char *name = j->request.name;
    for (size_t at = 0; natives_at(natives, at);) {
        struct module *m = native_module(natives, &at);
        if (!name[0] || strcmp(name, m->info.name) == 0)
            list[(*len)++] = (struct admin_module){m, false};
        else
            module_unref(m);
    }
}

static size_t natives_len(const struct natives *n)
{
    size_t len = 0;
    while (natives_at(n, len))
        len++;
    return len;
}

/* Those asked for: one that was deployed without its source, which who asked has. */
void modules_reply(struct job *j, struct admin_reply *reply)
{
    const struct catalog *c = j->catalog;
    const char *name = j->request.name;
    size_t room = c->modules_len + natives_len(j->node->natives);
    struct admin_module *list = xcalloc(room, sizeof *list);
    for (size_t i = 0; i < c->modules_len; i++)
        if (!name[0] || strcmp(name, c->modules[i]->info.name) == 0)
            list[reply->modules_len++] =
                (struct admin_module){c->modules[i], j->request.op == ADMIN_MODULE_SHOW};
    size_t deployed = reply->modules_len;
    if (j->request.op == ADMIN_MODULE_LIST || !deployed)
        natives_list(j, list, &reply->modules_len);
    if (j->request.op == ADMIN_MODULE_SHOW && !reply->modules_len) {
        j->err = GRID_ENOT_FOUND;
        snprintf(j->why, sizeof j->why, "no module %s", name);
    }
    reply->modules = list;
    reply_encode(j, reply);
    for (size_t i = deployed; i < reply->modules_len; i++)
        module_unref((struct module *)(uintptr_t)list[i].module);
    free(list);
}
