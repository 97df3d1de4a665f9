/* gridload_main.c - gridload: one run, one JSON object on stdout. Exit: 0 done, 1 failed, 2
 * usage. */
#include "tests/bench/gridload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static void latency_report(const char *name, const struct hist *h)
{
    static const struct {
        const char *name;
        double percent;
    } points[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}, {"max", 100}};
    printf(", \"%s\": {\"count\": %llu, \"mean\": %.2f", name, (unsigned long long)h->count,
           hist_mean(h) / 1e3);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        printf(", \"%s\": %.2f", points[i].name,
               (double)hist_percentile(h, points[i].percent) / 1e3);
    printf("}");
}

static double per(uint64_t total, uint64_t n)
{
    return n ? (double)total / (double)n : 0;
}

void load_report(const struct load *l)
{
    const struct options *o = l->options;
    static struct hist all;
    hist_clear(&all);
    hist_merge(&all, &l->latency[LOAD_GET]);
    hist_merge(&all, &l->latency[LOAD_PUT]);
    hist_check(&all);
    printf("{\"protocol\": \"%s\", \"tls\": %s, \"loop\": \"%s\", \"rate\": %llu, ", o->protocol,
           o->tls_ca ? "true" : "false", o->rate ? "open" : "closed", (unsigned long long)o->rate);
    printf("\"connections\": %llu, \"depth\": %llu, \"keys\": %llu, \"value_bytes\": %llu, ",
           (unsigned long long)o->connections, (unsigned long long)o->depth,
           (unsigned long long)o->keys, (unsigned long long)o->value_bytes);
    printf("\"put_percent\": %llu, \"distribution\": \"%s\", \"shards\": %u, ",
           (unsigned long long)(o->fill ? 100 : o->put_percent), o->distribution, l->keys.shards);
    printf("\"seconds\": %.3f, \"requests\": %llu, \"per_second\": %.0f, ",
           (double)l->elapsed_ns / 1e9, (unsigned long long)l->answers,
           per(l->answers * 1000000000, l->elapsed_ns));
    printf("\"missing\": %llu, \"refused\": %llu, \"wrong\": %llu, \"unanswered\": %llu, ",
           (unsigned long long)l->missing, (unsigned long long)l->refused,
           (unsigned long long)l->wrong, (unsigned long long)l->unanswered);
    printf("\"server_cpu_us\": %.3f, \"client_cpu_us\": %.3f, ",
           per(l->server_cpu_ns, l->answers) / 1e3, per(l->client_cpu_ns, l->answers) / 1e3);
    printf("\"server_busy\": %.3f, \"client_busy\": %.3f", per(l->server_cpu_ns, l->elapsed_ns),
           per(l->client_cpu_ns, l->elapsed_ns));
    latency_report("latency_us", &all);
    if (o->put_percent > 0 && o->put_percent < 100) {
        latency_report("get_us", &l->latency[LOAD_GET]);
        latency_report("put_us", &l->latency[LOAD_PUT]);
    }
    printf("}\n");
    if (l->refused)
        fprintf(stderr, "gridload: %llu requests refused; the first: %s\n",
                (unsigned long long)l->refused, l->refusal);
}

static int probe(const struct options *o)
{
    struct probe p = load_probe(o);
    printf("{\"first_read_ms\": %.2f, \"all_warm_ms\": %.2f}\n", (double)p.first_read_ns / 1e6,
           (double)p.all_warm_ns / 1e6);
    return p.first_read_ns && p.all_warm_ns ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options o;
    options_parse(argc, argv, &o);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files = {o.connections + 64, o.connections + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    if (o.probe)
        return probe(&o);
    static struct load l;
    bool ok = load_open(&l, &o) && load_run(&l);
    if (ok)
        load_report(&l);
    ok = ok && l.refused == 0 && l.wrong == 0 && l.unanswered == 0;
    load_close(&l);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
