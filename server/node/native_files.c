/* native_files.c - native modules of a node: those that the program around it names, then the files
 * *.so of its module_dir, in the order of their names. What others may write to is not loaded. */
#include <grid_module.h>

#include "base/alloc.h"
#include "base/log.h"
#include "compute/native.h"
#include "node/start_priv.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct native_files { /* that are loaded */
    void **handles;
    size_t len;
};

/* --- whom it belongs to ----------------------------------------------------------------------- */

/* NULL, or why it is not to be trusted. */
static const char *trust_fault(const struct stat *st, mode_t type)
{
    if ((st->st_mode & S_IFMT) != type)
        return type == S_IFDIR ? "is no directory" : "is no regular file";
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return "belongs neither to root nor to the user of this node";
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return "may be written by others: chmod go-w it";
    return NULL;
}

static enum grid_err trust(const char *path, mode_t type, char *why)
{
    struct stat st;
    if (lstat(path, &st)) {
        snprintf(why, NODE_WHY_BYTES, "module_dir: %s: %s", path, strerror(errno));
        return GRID_EIO;
    }
    const char *fault = trust_fault(&st, type);
    if (!fault)
        return GRID_OK;
    snprintf(why, NODE_WHY_BYTES, "module_dir: %s %s", path, fault);
    return GRID_EDENIED;
}

/* --- loading ---------------------------------------------------------------------------------- */

static enum grid_err module_take(struct node *n, const struct grid_native_module *m,
                                 const char *from, char *why)
{
    struct buf fault = BUF_INIT;
    bool good = natives_add(n->natives, m, &fault);
    if (good)
        log_info("node", "native module %s of %zu functions, from %s", m->name, m->functions_len,
                 from);
    else
        snprintf(why, NODE_WHY_BYTES, "%s: %.*s", from, (int)fault.len, (const char *)fault.data);
    buf_release(&fault);
    return good ? GRID_OK : GRID_EUNSUPPORTED;
}

static enum grid_err file_load(struct node *n, const char *path, char *why)
{
    enum grid_err err = trust(path, S_IFREG, why);
    if (err)
        return err;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(why, NODE_WHY_BYTES, "module_dir: %s", dlerror());
        return GRID_EUNSUPPORTED;
    }
    struct native_files *files = n->native_files;
    files->handles = xrealloc(files->handles, files->len + 1, sizeof(void *));
    files->handles[files->len++] = handle;
    const struct grid_native_module *m = dlsym(handle, "grid_module");
    if (m)
        return module_take(n, m, path, why);
    snprintf(why, NODE_WHY_BYTES, "module_dir: %s has no GRID_MODULE()", path);
    return GRID_EUNSUPPORTED;
}

static int is_module(const struct dirent *e)
{
    const char *dot = strrchr(e->d_name, '.');
    return e->d_name[0] != '.' && dot && strcmp(dot, ".so") == 0;
}

static enum grid_err files_load(struct node *n, const char *dir, char *why)
{
    struct dirent **list = NULL;
    enum grid_err err = trust(dir, S_IFDIR, why);
    int len = err ? 0 : scandir(dir, &list, is_module, alphasort);
    if (len < 0) {
        snprintf(why, NODE_WHY_BYTES, "module_dir: %s: %s", dir, strerror(errno));
        return GRID_EIO;
    }
    for (int i = 0; i < len; i++) {
        struct buf path = BUF_INIT;
        buf_printf(&path, "%s/%s", dir, list[i]->d_name);
        buf_add_u8(&path, 0);
        if (!err)
            err = file_load(n, (const char *)path.data, why);
        buf_release(&path);
        free(list[i]);
    }
    free(list);
    return err;
}

enum grid_err natives_load(struct node *n, char *why)
{
    const struct grid_native_module *const *m = n->conf.modules;
    enum grid_err err = GRID_OK;
    n->natives = natives_new();
    n->native_files = xcalloc(1, sizeof *n->native_files);
    for (; m && *m && !err; m++)
        err = module_take(n, *m, "the program", why);
    if (!err && n->conf.module_dir)
        err = files_load(n, n->conf.module_dir, why);
    return err;
}

void natives_unload(struct node *n)
{
    struct native_files *files = n->native_files;
    natives_free(n->natives);
    while (files && files->len)
        dlclose(files->handles[--files->len]);
    if (files)
        free(files->handles);
    free(files);
}
