/* progress.c - see progress.h. */
#include "progress.h"
#include "value.h"

#include <inttypes.h>

enum { INTERVAL_US = 100000, BAR = 24 };

void progress_start(struct progress *p, FILE *file, const char *name, uint64_t total,
                    uint64_t now_us)
{
    *p = (struct progress){.file = file, .name = name, .total = total, .start_us = now_us};
}

void progress_show(struct progress *p, uint64_t done, uint64_t records, uint64_t now_us)
{
    char count[VALUE_TEXT_BYTES], rate[VALUE_TEXT_BYTES];
    if (!p->file || now_us - p->shown_us < INTERVAL_US || now_us <= p->start_us)
        return;
    p->shown_us = now_us;
    double seconds = (double)(now_us - p->start_us) / 1e6;
    value_count_text(count, records);
    value_count_text(rate, (uint64_t)((double)records / seconds));
    fprintf(p->file, "\r%s  ", p->name);
    if (p->total && done) {
        double part = done < p->total ? (double)done / (double)p->total : 1;
        uint64_t left = (uint64_t)(seconds * (1 - part) / part + 0.5);
        int full = (int)(part * BAR);
        fprintf(p->file, "%3d%% [%.*s%*s]  %s records  %s/s  ETA %" PRIu64 ":%02" PRIu64,
                (int)(part * 100), full, "########################", BAR - full, "", count, rate,
                left / 60, left % 60);
    } else {
        fprintf(p->file, "%s records  %s/s", count, rate);
    }
    fputs("\033[K", p->file);
    fflush(p->file);
}

void progress_end(struct progress *p)
{
    if (p->file && p->shown_us) {
        fputs("\r\033[K", p->file);
        fflush(p->file);
    }
    p->file = NULL;
}
