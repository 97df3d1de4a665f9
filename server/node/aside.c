/* aside.c - see aside.h. */
#include "node/aside.h"

#include "base/alloc.h"
#include "compute/job.h"
#include "compute/service_call.h"
#include "node/job_scan.h"
#include "node/mapping.h"
#include "node/node_priv.h"
#include "node/services.h"

#include <stdlib.h>

/* Who does which; each kind has a row. */
static const struct {
    procedure_fn *procedure;
    aside_fn *begin;
} kinds[] = {
    {command_map_part, mapping_part_begin},
    {command_map, mapping_begin},
    {command_service, services_begin},
    {command_job_scan, job_scan_begin},
};

static aside_fn *kind_of(procedure_fn *procedure)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].procedure && kinds[i].procedure == procedure)
            return kinds[i].begin;
    return NULL;
}

void aside_begin(void *ctx, const struct op *op)
{
    aside_fn *begin = kind_of(op->procedure);
    struct aside *a = xalloc(sizeof *a + op_copy_bytes(op));
    *a = (struct aside){ctx, *op};
    op_copy_fill(&a->op, a + 1);
    if (begin)
        begin(a);
    else
        aside_refuse(a, GRID_EUNSUPPORTED, NULL);
}

/* By mail, whoever asked is on the worker's own thread or not. */
void aside_answer(struct aside *a, const struct result *res)
{
    forward_result(a->worker, &a->op.ticket, res);
    free(a);
}

void aside_refuse(struct aside *a, enum grid_err err, const char *text)
{
    struct result res = {.status = err, .value = slice_str(text ? text : "")};
    aside_answer(a, &res);
}
