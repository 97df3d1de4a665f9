/* libevent.c - the client on an event loop of your own: completions are called from the loop,
 * nothing blocks. */
#include <grid.h>

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

struct app {
    struct event_base *base;
    struct grid_cache *cache;
    struct event *tick;
    int ticks, ok, failed, unanswered;
};

static void counted(void *arg, const struct grid_result *result)
{
    struct app *app = arg;
    if (result->err)
        app->failed++;
    else
        app->ok++;
    if (--app->unanswered == 0 && app->ticks == 5)
        event_base_loopbreak(app->base);
}

/* Some work of the program: every 10 ms it counts something. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct app *app = arg;
    (void)fd, (void)what;
    app->unanswered++;
    grid_incr_async(app->cache, (struct grid_bytes){"ticks", 5}, 1, NULL, counted, app);
    if (++app->ticks == 5)
        event_del(app->tick);
}

int main(int argc, char **argv)
{
    struct timeval often = {0, 10000};
    struct app app = {.base = event_base_new()};
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400",
                                   .base = app.base};
    struct grid *grid = NULL;
    char why[GRID_WHY_BYTES];

    enum grid_err err = grid_connect(&options, &grid, why);
    if (!err)
        err = grid_cache_open(grid, "default/default", &app.cache);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), grid ? grid_error(grid) : why);
    } else {
        app.tick = event_new(app.base, -1, EV_PERSIST, on_tick, &app);
        event_add(app.tick, &often);
        event_base_dispatch(app.base);
        printf("%d ticks counted, %d failed\n", app.ok, app.failed);
        event_free(app.tick);
    }
    grid_close(grid); /* before its base */
    event_base_free(app.base);
    return err || app.failed ? 1 : 0;
}
