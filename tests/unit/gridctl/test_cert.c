/* test_cert.c - the private authority, checked with OpenSSL's own verifier.
 * LINK: ctl
 */
#include "client/gridctl/cert.h"
#include <check.h>

#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], why[CERT_WHY_BYTES];

static const char *path_of(const char *file)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return path;
}

static void setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/gridctl-cert.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    *why = '\0';
}

static size_t remove_files(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        unlink(path_of(e->d_name));
        n++;
    }
    closedir(d);
    return n;
}

static void teardown(void)
{
    remove_files();
    rmdir(dir);
}

static X509 *load_cert(const char *file)
{
    FILE *f = fopen(path_of(file), "r");
    ck_assert_ptr_nonnull(f);
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    ck_assert_ptr_nonnull(cert);
    return cert;
}

static EVP_PKEY *load_key(const char *file)
{
    FILE *f = fopen(path_of(file), "r");
    ck_assert_ptr_nonnull(f);
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    ck_assert_ptr_nonnull(key);
    return key;
}

static unsigned mode_of(const char *file)
{
    struct stat st;
    ck_assert_int_eq(stat(path_of(file), &st), 0);
    return st.st_mode & 07777;
}

/* Verify `leaf` against `ca` for `purpose` and, when given, a host name or an address. */
static int verify(X509 *ca, X509 *leaf, int purpose, const char *host, const char *ip)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    if (host)
        X509_VERIFY_PARAM_set1_host(param, host, 0);
    if (ip)
        X509_VERIFY_PARAM_set1_ip_asc(param, ip);
    int outcome = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return outcome;
}

static long days_left(X509 *cert)
{
    int days = 0, seconds = 0;
    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert));
    return days + (seconds > 43200);
}

START_TEST(a_leaf_is_trusted_as_server_and_as_client)
{
    ck_assert_msg(cert_init(dir, why), "%s", why);
    ck_assert_msg(cert_issue(dir, "a", NULL, 0, false, why), "%s", why);
    X509 *ca = load_cert("ca.crt"), *leaf = load_cert("a.crt");
    EVP_PKEY *key = load_key("a.key");
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, "localhost", NULL), X509_V_OK);
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, "a", NULL), X509_V_OK);
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, NULL, "127.0.0.1"), X509_V_OK);
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, NULL, "::1"), X509_V_OK);
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_CLIENT, NULL, NULL), X509_V_OK);
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, "b", NULL),
                     X509_V_ERR_HOSTNAME_MISMATCH);
    ck_assert_int_eq(X509_check_private_key(leaf, key), 1);
    ck_assert_int_eq(EVP_PKEY_get_bits(key), 256);
    ck_assert_int_eq(days_left(leaf), CERT_LEAF_DAYS);
    ck_assert_int_eq(days_left(ca), CERT_CA_DAYS);
    EVP_PKEY_free(key);
    X509_free(leaf);
    X509_free(ca);
}
END_TEST

START_TEST(a_clients_leaf_is_no_servers)
{
    ck_assert(cert_init(dir, why) && cert_issue(dir, "app", NULL, 0, true, why));
    X509 *ca = load_cert("ca.crt"), *leaf = load_cert("app.crt");
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_CLIENT, NULL, NULL), X509_V_OK);
    ck_assert_int_ne(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, "app", NULL), X509_V_OK);
    X509_free(leaf);
    X509_free(ca);
}
END_TEST

START_TEST(given_hosts_are_the_only_ones)
{
    const char *const hosts[] = {"node1.example.org", "10.0.0.1", "fe80::1"};
    ck_assert(cert_init(dir, why));
    ck_assert_msg(cert_issue(dir, "node1", hosts, 3, false, why), "%s", why);
    X509 *ca = load_cert("ca.crt"), *leaf = load_cert("node1.crt");
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, "node1.example.org", NULL),
                     X509_V_OK);
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, NULL, "10.0.0.1"), X509_V_OK);
    ck_assert_int_eq(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, NULL, "fe80::1"), X509_V_OK);
    ck_assert_int_ne(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, "localhost", NULL), X509_V_OK);
    ck_assert_int_ne(verify(ca, leaf, X509_PURPOSE_SSL_SERVER, "node1", NULL), X509_V_OK);
    X509_free(leaf);
    X509_free(ca);
}
END_TEST

START_TEST(another_authority_is_not_trusted)
{
    ck_assert(cert_init(dir, why) && cert_issue(dir, "a", NULL, 0, false, why));
    X509 *leaf = load_cert("a.crt");
    remove_files();
    ck_assert(cert_init(dir, why));
    X509 *other = load_cert("ca.crt");
    ck_assert_int_ne(verify(other, leaf, X509_PURPOSE_SSL_SERVER, NULL, NULL), X509_V_OK);
    X509_free(leaf);
    X509_free(other);
}
END_TEST

START_TEST(keys_are_for_their_owner_only)
{
    mode_t old = umask(0);
    ck_assert(cert_init(dir, why) && cert_issue(dir, "a", NULL, 0, false, why));
    umask(old);
    ck_assert_uint_eq(mode_of("ca.key"), 0600);
    ck_assert_uint_eq(mode_of("a.key"), 0600);
    ck_assert_uint_eq(mode_of("ca.crt"), 0644);
    ck_assert_uint_eq(mode_of("a.crt"), 0644);
}
END_TEST

START_TEST(nothing_is_overwritten_and_nothing_left_over)
{
    ck_assert(cert_init(dir, why) && cert_issue(dir, "a", NULL, 0, false, why));
    X509 *before = load_cert("ca.crt");
    ck_assert(!cert_init(dir, why));
    ck_assert_ptr_nonnull(strstr(why, "is there already"));
    ck_assert(!cert_issue(dir, "a", NULL, 0, false, why));
    ck_assert_int_eq(unlink(path_of("a.key")), 0);
    ck_assert(!cert_issue(dir, "a", NULL, 0, false, why));
    ck_assert_ptr_nonnull(strstr(why, "a.crt is there already"));
    X509 *after = load_cert("ca.crt");
    ck_assert_int_eq(X509_cmp(before, after), 0);
    ck_assert_uint_eq(remove_files(), 3);
    X509_free(before);
    X509_free(after);
}
END_TEST

START_TEST(names_that_leave_the_directory_are_refused)
{
    static const char *const names[] = {"",   "ca", "../a", "a/b", ".",
                                        "..", ".a", "-a",   "a b", "a\n"};
    ck_assert(cert_init(dir, why));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_msg(!cert_issue(dir, names[i], NULL, 0, false, why), "%s", names[i]);
    ck_assert_uint_eq(remove_files(), 2);
}
END_TEST

START_TEST(without_an_authority_the_message_says_how_to_get_one)
{
    ck_assert(!cert_issue(dir, "a", NULL, 0, false, why));
    ck_assert_ptr_nonnull(strstr(why, "gridctl cert init"));
    FILE *f = fopen(path_of("ca.crt"), "w");
    fputs("nonsense\n", f);
    fclose(f);
    ck_assert(!cert_issue(dir, "a", NULL, 0, false, why));
    ck_assert_ptr_nonnull(strstr(why, "ca.crt"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gridctl/cert");
    TCase *tcase = tcase_create("gridctl/cert");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_leaf_is_trusted_as_server_and_as_client);
    tcase_add_test(tcase, a_clients_leaf_is_no_servers);
    tcase_add_test(tcase, given_hosts_are_the_only_ones);
    tcase_add_test(tcase, another_authority_is_not_trusted);
    tcase_add_test(tcase, keys_are_for_their_owner_only);
    tcase_add_test(tcase, nothing_is_overwritten_and_nothing_left_over);
    tcase_add_test(tcase, names_that_leave_the_directory_are_refused);
    tcase_add_test(tcase, without_an_authority_the_message_says_how_to_get_one);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
