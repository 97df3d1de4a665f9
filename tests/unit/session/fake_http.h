/* fake_http.h - an HTTP client for tests: requests and answers as text. */
#ifndef GRIDD_TESTS_SESSION_FAKE_HTTP_H
#define GRIDD_TESTS_SESSION_FAKE_HTTP_H

#include "tests/unit/session/fake.h"

#include <stdio.h>

#define KEY_PATH "/v1/caches/default/default/k"
#define HOST " HTTP/1.1\r\nHost: h\r\n"

static inline struct fake *fake_http(void)
{
    struct fake *f = fake_new();
    f->now_us = UINT64_C(1700000000) * 1000000;
    fake_connect_to(f, &http_door);
    return f;
}

static inline void fake_text(struct fake *f, const char *text)
{
    fake_send_bytes(f, text, strlen(text));
    fake_turn(f);
}

/* All output so far, without its Date, and taken. Static. */
static inline const char *fake_out(struct fake *f)
{
    static char text[1 << 20];
    struct slice out = session_output(f->session);
    ck_assert_uint_lt(out.len, sizeof text);
    if (out.len)
        memcpy(text, out.data, out.len);
    text[out.len] = '\0';
    session_sent(f->session, out.len);
    for (char *at; (at = strstr(text, "Date: "));) {
        char *end = strstr(at, "\r\n") + 2;
        memmove(at, end, strlen(end) + 1);
    }
    session_check(f->session);
    return text;
}

/* Status of the only answer there; 0: none. */
static inline int fake_status(struct fake *f)
{
    const char *text = fake_out(f);
    return *text ? atoi(text + 9) : 0;
}

#define ck_has(text, part)                                                                         \
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text)

#endif
