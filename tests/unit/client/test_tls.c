/* test_tls.c - who is trusted, who is asked for, and what is said when it goes wrong.
 * LINK: client certs */
#include "fixture.h"
#include "tests/lib/certs.h"

#include <stdatomic.h>

static char dir[] = "/tmp/gridclient-XXXXXX";

static SSL_CTX *server(bool wants_certificate)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(ctx, certs_path(dir, "server.crt")), 1);
    ck_assert_int_eq(
        SSL_CTX_use_PrivateKey_file(ctx, certs_path(dir, "server.key"), SSL_FILETYPE_PEM), 1);
    if (wants_certificate) {
        ck_assert_int_eq(SSL_CTX_load_verify_file(ctx, certs_path(dir, "ca.crt")), 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ctx;
}

static struct fake_conf begin_certs(bool wants_certificate)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    certs_make(dir);
    return (struct fake_conf){.tls = server(wants_certificate)};
}

static void remove_certs(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(requests_go_over_tls_with_a_client_certificate)
{
    struct fake_conf conf = begin_certs(true);
    struct grid_value v;
    struct dones dones = {0};
    conf.value_bytes = 3 << 20;
    fake_start(&fake, &conf);
    connect_with((struct grid_options){.ca = certs_path(dir, "ca.crt"),
                                       .cert = certs_path(dir, "client.crt"),
                                       .key = certs_path(dir, "client.key")});
    for (int i = 0; i < 2000; i++)
        grid_put_async(cache, bytes("k"), bytes("some value"), NULL, on_done, &dones);
    grid_flush(grid);
    ck_assert_uint_eq(dones.len, 2000);
    ck_assert_int_eq(grid_get(cache, bytes("k"), none, &v), GRID_OK);
    ck_assert_uint_eq(v.len, 3 << 20);
    grid_value_release(&v);
    end();
    SSL_CTX_free(conf.tls);
    remove_certs();
}
END_TEST

static atomic_int resumed;

static void on_info(const SSL *ssl, int where, int result)
{
    (void)result;
    if (where & SSL_CB_HANDSHAKE_DONE && SSL_session_reused(ssl))
        resumed++;
}

START_TEST(a_broken_connection_is_resumed_with_a_ticket)
{
    struct fake_conf conf = begin_certs(true);
    conf.script[0].act = FAKE_DROP;
    conf.script_len = 1;
    SSL_CTX_set_session_id_context(conf.tls, (const uint8_t *)"grid", 4);
    SSL_CTX_set_info_callback(conf.tls, on_info);
    fake_start(&fake, &conf);
    connect_with((struct grid_options){.ca = certs_path(dir, "ca.crt"),
                                       .cert = certs_path(dir, "client.crt"),
                                       .key = certs_path(dir, "client.key")});
    ck_assert_int_eq(resumed, 0);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 1).connection, 1);
    ck_assert_int_gt(resumed, 0);
    end();
    SSL_CTX_free(conf.tls);
    remove_certs();
}
END_TEST

START_TEST(each_failure_has_its_text)
{
    struct fake_conf conf = begin_certs(true);
    struct cert_spec other = {.name = "other", .authority = 1};
    certs_issue(dir, &other);
    const char *ca = certs_path(dir, "ca.crt"), *cert = certs_path(dir, "client.crt"),
               *key = certs_path(dir, "client.key"), *other_ca = certs_path(dir, "other.crt"),
               *other_key = certs_path(dir, "other.key"), *none_such = certs_path(dir, "none");
    const struct {
        struct grid_options options;
        enum grid_err err;
        const char *text;
    } cases[] = {
        {{.ca = none_such}, GRID_ETLS, "No such file"},
        {{.ca = key}, GRID_ETLS, "not a PEM file"},
        {{.ca = ca, .cert = none_such, .key = key}, GRID_ETLS, "No such file"},
        {{.ca = ca, .cert = key, .key = key}, GRID_ETLS, "not a PEM file"},
        {{.ca = ca, .cert = cert, .key = cert}, GRID_ETLS, "not a PEM file"},
        {{.ca = ca, .cert = cert, .key = other_key}, GRID_ETLS, "does not belong"},
        {{.ca = ca, .cert = cert}, GRID_EBAD_REQUEST, "go together"},
        {{.cert = cert, .key = key}, GRID_EBAD_REQUEST, "need ca"},
        {{.ca = other_ca}, GRID_ETLS, "not trusted"},
    };
    fake_start(&fake, &conf);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[GRID_WHY_BYTES] = "";
        struct grid_options o = cases[i].options;
        o.endpoints = fake.endpoint;
        ck_assert_int_eq(grid_connect(&o, &grid, why), cases[i].err);
        ck_assert_msg(strstr(why, cases[i].text), "case %zu: %s", i, why);
    }
    fake_stop(&fake);
    SSL_CTX_free(conf.tls);
    remove_certs();
}
END_TEST

START_TEST(a_server_that_wants_a_certificate_is_understood)
{
    struct fake_conf conf = begin_certs(true);
    char why[GRID_WHY_BYTES] = "";
    fake_start(&fake, &conf);
    struct grid_options o = {.ca = certs_path(dir, "ca.crt"), .endpoints = fake.endpoint};
    ck_assert_int_eq(grid_connect(&o, &grid, why), GRID_ETLS);
    ck_assert_msg(strstr(why, "wants a client certificate"), "%s", why);
    fake_stop(&fake);
    SSL_CTX_free(conf.tls);
    remove_certs();
}
END_TEST

START_TEST(a_certificate_of_another_host_is_not_trusted)
{
    struct fake_conf conf = begin_certs(false);
    char why[GRID_WHY_BYTES] = "", endpoint[64];
    fake_start(&fake, &conf);
    snprintf(endpoint, sizeof endpoint, "127.0.0.2:%u", fake.port);
    fake_down(&fake);
    fake.everywhere = true;
    fake_up(&fake);
    struct grid_options o = {.ca = certs_path(dir, "ca.crt"), .endpoints = endpoint};
    ck_assert_int_eq(grid_connect(&o, &grid, why), GRID_ETLS);
    ck_assert_msg(strstr(why, "IP address mismatch"), "%s", why);
    snprintf(endpoint, sizeof endpoint, "localhost:%u", fake.port);
    connect_with((struct grid_options){.ca = o.ca, .endpoints = endpoint});
    end();
    SSL_CTX_free(conf.tls);
    remove_certs();
}
END_TEST

START_TEST(a_plain_client_hears_that_tls_is_wanted)
{
    struct fake_conf conf = begin_certs(false);
    char why[GRID_WHY_BYTES] = "";
    fake_start(&fake, &conf);
    struct grid_options plain = {.endpoints = fake.endpoint, .timeout_ms = 400};
    ck_assert_int_eq(grid_connect(&plain, &grid, why), GRID_EUNREACHABLE);
    ck_assert_msg(strstr(why, "TLS"), "%s", why);
    fake_stop(&fake);
    SSL_CTX_free(conf.tls);
    remove_certs();
}
END_TEST

UNIT_MAIN("client/tls", requests_go_over_tls_with_a_client_certificate,
          a_broken_connection_is_resumed_with_a_ticket, each_failure_has_its_text,
          a_server_that_wants_a_certificate_is_understood,
          a_certificate_of_another_host_is_not_trusted, a_plain_client_hears_that_tls_is_wanted)
