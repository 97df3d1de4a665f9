/* http_pages.c - pages that are served from memory: a line each in the table below, and a route
 * with its path (http_table.c). */
#include "session/http_priv.h"

static const char INDEX[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>gridd</title></head><body>\n"
    "<h1>gridd</h1>\n"
    "<ul>\n"
    "<li><a href=\"/v1/status\">status of this node</a></li>\n"
    "<li><a href=\"/v1/caches\">caches</a></li>\n"
    "<li><a href=\"/metrics\">metrics</a>, <a href=\"/readyz\">is it ready?</a></li>\n"
    "<li><a href=\"/v1/openapi.json\">what this server answers to (OpenAPI)</a></li>\n"
    "</ul>\n"
    "</body></html>\n";

static const struct page {
    const char *path, *media;
    const char *bytes;
    size_t len;
} pages[] = {
    {"/", "text/html; charset=utf-8", INDEX, sizeof INDEX - 1},
};

void http_page(struct http_session *h, struct http_request *r)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(pages[i].path, r->route->path) != 0)
            continue;
        struct http_answer a = {.status = 200,
                                .media = slice_str(pages[i].media),
                                .body = slice_make(pages[i].bytes, pages[i].len)};
        http_answer(h, r->pending, &a);
        return;
    }
    http_refuse(h, r->pending, 404, "no such page", NULL);
}
