/* test_tls.c - certificates: who is let in, what is said when not, reload, tickets.
 * LINK: net base certs */
#include "tests/unit/net/fixture.h"

#include <sys/wait.h>

/* One handshake; true when the server opened the connection. */
static bool let_in(struct server *s, const char *cert)
{
    struct client c = {.fd = -1};
    unsigned opened = s->opened, closed = s->closed;
    client_connect(s, &c);
    client_tls(s, &c, cert, NULL);
    client_handshake(s, &c);
    for (int i = 0; i < 20; i++)
        turn(s);
    bool in = s->opened > opened;
    client_free(&c);
    until(s, &s->closed, closed + 1);
    return in;
}

/* Called at the end of a program, behind what OpenSSL does then. */
static void tls_look(void)
{
    _exit(SSL_CTX_new(TLS_method()) ? 0 : 1);
}

/* Before others: what used OpenSSL first decides. */
START_TEST(a_program_ends_and_leaves_threads_what_they_use)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        char why[NET_WHY_BYTES];
        struct tls_conf conf = {.cert = "/nowhere", .key = "/nowhere"};
        struct tls *t;
        atexit(tls_look);
        if (tls_new(&conf, &t, why))
            exit(2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(a_certificate_of_the_authority_is_let_in_and_its_name_is_known)
{
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    ck_assert(let_in(s, "client"));
    ck_assert_str_eq(s->user, "client");
    server_free(s);
}
END_TEST

START_TEST(strangers_are_refused_with_the_reason)
{
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    ck_assert(!let_in(s, NULL));
    ck_assert_int_eq(s->end, CONN_ENDED_HANDSHAKE);
    ck_assert_str_eq(s->why, "the client showed no certificate");
    certs_issue(s->dir, &(struct cert_spec){.name = "other"});
    ck_assert(!let_in(s, "other"));
    ck_assert_int_eq(s->end, CONN_ENDED_HANDSHAKE);
    ck_assert_str_eq(s->why, "the client's certificate is refused: self-signed certificate");
    certs_issue(s->dir, &(struct cert_spec){"other", "ca", 0, -7200, -3600, NULL});
    ck_assert(!let_in(s, "other"));
    ck_assert_str_eq(s->why, "the client's certificate is refused: certificate has expired");
    struct loop_stats st;
    loop_stats(s->loop, &st);
    ck_assert_uint_eq(st.handshakes_failed, 3);
    server_free(s);
}
END_TEST

START_TEST(an_optional_certificate_may_be_missing_but_not_wrong)
{
    struct server *s = server_new(true, TLS_PEER_OPTIONAL);
    ck_assert(let_in(s, NULL));
    ck_assert_str_eq(s->user, "");
    ck_assert(let_in(s, "client"));
    ck_assert_str_eq(s->user, "client");
    certs_issue(s->dir, &(struct cert_spec){.name = "other"});
    ck_assert(!let_in(s, "other"));
    server_free(s);
}
END_TEST

START_TEST(the_refused_client_reads_why)
{
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    struct client c = {.fd = -1};
    client_connect(s, &c);
    client_tls(s, &c, NULL, NULL);
    client_handshake(s, &c);
    char data[16];
    ssize_t n = 0;
    ERR_clear_error();
    for (int i = 0; i < 100 && n == 0; i++) {
        turn(s);
        n = client_read(&c, data, sizeof data);
    }
    ck_assert_int_eq(n, -1);
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
    client_free(&c);
    server_free(s);
}
END_TEST

START_TEST(bytes_that_are_not_tls_end_it_with_a_reason)
{
    static const char BYTES[][20] = {"GET / HTTP/1.1\r\n\r\n", "\x10\x00\x00\x00 hello hello",
                                     "*1\r\n$4\r\nPING\r\n"};
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    for (unsigned i = 0; i < 3; i++) {
        struct client c = {.fd = -1};
        client_connect(s, &c);
        ck_assert_int_gt(client_write(&c, BYTES[i], 16), 0);
        ck_assert(client_ended(s, &c));
        client_free(&c);
        until(s, &s->closed, i + 1);
        ck_assert_int_eq(s->end, CONN_ENDED_HANDSHAKE);
        ck_assert_str_ne(s->why, "");
    }
    ck_assert_uint_eq(s->opened, 0);
    server_free(s);
}
END_TEST

START_TEST(a_handshake_that_never_comes_is_given_up)
{
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    s->conf.handshake_ms = 3000;
    struct client c = {.fd = -1};
    client_connect(s, &c);
    ck_assert_int_eq(client_write(&c, "\x16\x03\x01", 3), 3);
    for (int i = 0; i < 10; i++)
        turn(s);
    s->now += 2999;
    turn(s);
    ck_assert_uint_eq(s->closed, 0);
    s->now += 1;
    until(s, &s->closed, 1);
    ck_assert_int_eq(s->end, CONN_ENDED_IDLE);
    client_free(&c);
    server_free(s);
}
END_TEST

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **keep = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(*keep);
    *keep = session;
    return 1;
}

/* Connect, offering *session; keeps the ticket that comes back in it. */
static void connect_with(struct server *s, SSL_SESSION **session)
{
    struct client c = {.fd = -1};
    client_connect(s, &c);
    client_tls(s, &c, "client", *session);
    SSL_CTX_set_app_data(c.ctx, session);
    SSL_CTX_set_session_cache_mode(c.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(c.ctx, keep_session);
    ck_assert(client_handshake(s, &c));
    echo_once(s, &c, 10, 1);
    SSL_shutdown(c.ssl); /* else OpenSSL thinks the session unusable */
    client_free(&c);
}

START_TEST(a_ticket_saves_the_second_handshake_and_keeps_the_name)
{
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    SSL_SESSION *session = NULL;
    struct loop_stats st;
    connect_with(s, &session);
    ck_assert_ptr_nonnull(session);
    s->user[0] = '\0';
    connect_with(s, &session);
    loop_stats(s->loop, &st);
    ck_assert_uint_eq(st.handshakes, 2);
    ck_assert_uint_eq(st.handshakes_resumed, 1);
    ck_assert_str_eq(s->user, "client");
    SSL_SESSION_free(session);
    server_free(s);
}
END_TEST

START_TEST(a_reload_serves_the_new_certificate_and_open_connections_go_on)
{
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    char why[NET_WHY_BYTES];
    struct client old = client_new(s);
    certs_make(s->dir); /* a new authority, and all under it */
    struct tls_conf tc = {certs_path(s->dir, "ca.crt"), certs_path(s->dir, "server.crt"),
                          certs_path(s->dir, "server.key"), TLS_PEER_REQUIRED};
    ck_assert_msg(tls_reload(s->tls, &tc, why) == GRID_OK, "%s", why);
    echo_once(s, &old, 1000, 1);
    struct client fresh = client_new(s);
    echo_once(s, &fresh, 1000, 2);
    client_free(&old);
    client_free(&fresh);
    server_free(s);
}
END_TEST

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

START_TEST(bad_files_are_named_with_the_reason_and_change_nothing)
{
    struct server *s = server_new(true, TLS_PEER_REQUIRED);
    certs_issue(s->dir, &(struct cert_spec){"other", "ca", 0, -7200, -3600, NULL});
    write_file(certs_path(s->dir, "odd.pem"), "nonsense\n");
    static const struct {
        const char *ca, *cert, *key, *names, *says;
    } CASES[] = {
        {"none.crt", "server.crt", "server.key", "none.crt", "No such file"},
        {"ca.crt", "none.crt", "server.key", "none.crt", "No such file"},
        {"ca.crt", "server.crt", "none.key", "none.key", "No such file"},
        {"odd.pem", "server.crt", "server.key", "odd.pem", "not a PEM file"},
        {"ca.crt", "odd.pem", "server.key", "odd.pem", "not a PEM file"},
        {"ca.crt", "server.crt", "odd.pem", "odd.pem", "not a PEM file"},
        {"ca.crt", "server.crt", "client.key", "client.key", "does not match"},
        {"ca.crt", "other.crt", "other.key", "other.crt", "expired on"},
        {"ca.crt", "client.crt", "client.key", "client.crt", "issued to a client"},
        {"ca.crt", ".", "server.key", "", "not a regular file"},
        {"ca.crt", "server.key", "server.key", "server.key", "not a PEM file"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char why[NET_WHY_BYTES] = "";
        struct tls_conf tc = {certs_path(s->dir, CASES[i].ca), certs_path(s->dir, CASES[i].cert),
                              certs_path(s->dir, CASES[i].key), TLS_PEER_REQUIRED};
        ck_assert_int_eq(tls_reload(s->tls, &tc, why), GRID_ETLS);
        ck_assert_msg(strstr(why, CASES[i].names) && strstr(why, CASES[i].says), "%zu: %s", i, why);
    }
    ck_assert(let_in(s, "client"));
    server_free(s);
}
END_TEST

UNIT_MAIN("net/tls", a_program_ends_and_leaves_threads_what_they_use,
          a_certificate_of_the_authority_is_let_in_and_its_name_is_known,
          strangers_are_refused_with_the_reason,
          an_optional_certificate_may_be_missing_but_not_wrong, the_refused_client_reads_why,
          bytes_that_are_not_tls_end_it_with_a_reason, a_handshake_that_never_comes_is_given_up,
          a_ticket_saves_the_second_handshake_and_keeps_the_name,
          a_reload_serves_the_new_certificate_and_open_connections_go_on,
          bad_files_are_named_with_the_reason_and_change_nothing)
