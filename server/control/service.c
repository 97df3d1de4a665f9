/* service.c - one allocation: the service and its argument. */
#include "control/service.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>

static const char *const mode_texts[] = {
#define X(name, code, text) [code] = text,
    SERVICE_MODES(X)
#undef X
};

struct service *service_new(const struct service_info *info)
{
    struct service *s = xalloc(sizeof *s + info->arg.len);
    *s = (struct service){.info = *info, .refs = 1};
    if (info->arg.len)
        memcpy(s + 1, info->arg.data, info->arg.len);
    s->info.arg = slice_make(s + 1, info->arg.len);
    return s;
}

struct service *service_ref(struct service *s)
{
    __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void service_unref(struct service *s)
{
    if (s && __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL) == 1)
        free(s);
}

uint16_t service_candidate(struct slice name, uint32_t i, uint32_t choice, uint32_t partitions)
{
    uint64_t seed = ((uint64_t)i << 32 | choice) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint16_t)(hash_key(name, seed) & (partitions - 1));
}

static bool labels_good(const struct service_info *info)
{
    const char *is = strchr(info->labels, '=');
    return !info->labels[0] || (info->mode == SERVICE_NODE && is && is != info->labels);
}

const char *service_fault(const struct service_info *info)
{
    struct slice module, name;
    if (!module_path_split(slice_str(info->name), &module, &name))
        return "a service is named MODULE.SERVICE, of letters, digits and _";
    if ((unsigned)info->mode >= SERVICE_MODES_LEN)
        return "the mode of a service is singleton, node, key or copies";
    if (info->mode == SERVICE_COPIES && (info->copies < 1 || info->copies > SERVICE_COPIES_MAX))
        return "a service has 1 to 32 copies";
    if (info->mode != SERVICE_COPIES && info->copies != 1)
        return "only a service of mode copies has a number of them";
    if (!labels_good(info))
        return "labels are LABEL=VALUE, of mode node; others run where their context is led";
    if (info->arg.len > SERVICE_ARG_MAX)
        return "the argument of a service has at most 4096 bytes";
    return NULL;
}

const char *service_mode_text(enum service_mode mode)
{
    return (unsigned)mode < SERVICE_MODES_LEN ? mode_texts[mode] : "?";
}

bool service_mode_named(struct slice text, enum service_mode *ret_mode)
{
    for (unsigned i = 0; i < SERVICE_MODES_LEN; i++) {
        if (!slice_eq(text, slice_str(mode_texts[i])))
            continue;
        *ret_mode = (enum service_mode)i;
        return true;
    }
    return false;
}
