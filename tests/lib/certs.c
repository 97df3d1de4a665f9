/* certs.c - certificates for tests, made with OpenSSL. */
#include "tests/lib/certs.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void need(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "certs: %s failed\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

const char *certs_path(const char *dir, const char *file)
{
    static char ring[16][CERTS_PATH_BYTES];
    static unsigned at;
    char *path = ring[at++ % 16];
    need(snprintf(path, CERTS_PATH_BYTES, "%s/%s", dir, file) < CERTS_PATH_BYTES, "path");
    return path;
}

static FILE *open_file(const char *dir, const char *name, const char *ext, const char *mode)
{
    char file[128];
    snprintf(file, sizeof file, "%s.%s", name, ext);
    FILE *f = fopen(certs_path(dir, file), mode);
    need(f != NULL, certs_path(dir, file));
    return f;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    need(e && X509_add_ext(cert, e, -1), value);
    X509_EXTENSION_free(e);
}

static X509 *make_cert(const struct cert_spec *spec, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    long serial = 0;
    need(cert && RAND_bytes((unsigned char *)&serial, 6), "X509_new");
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial & 0x7fffffff);
    long from = spec->from_seconds, until = spec->until_seconds;
    if (!from && !until) {
        from = -3600;
        until = 86400;
    }
    X509_gmtime_adj(X509_getm_notBefore(cert), from);
    X509_gmtime_adj(X509_getm_notAfter(cert), until);
    X509_set_pubkey(cert, key);
    need(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                    (const unsigned char *)spec->name, -1, -1, 0),
         "subject");
    add_extension(cert, NID_basic_constraints,
                  spec->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (spec->usage)
        add_extension(cert, NID_ext_key_usage, spec->usage);
    add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
    return cert;
}

static void sign(const char *dir, const struct cert_spec *spec, X509 *cert, EVP_PKEY *key)
{
    if (!spec->issuer) {
        X509_set_issuer_name(cert, X509_get_subject_name(cert));
        need(X509_sign(cert, key, EVP_sha256()), "sign");
        return;
    }
    FILE *f = open_file(dir, spec->issuer, "crt", "r");
    X509 *ca = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    f = open_file(dir, spec->issuer, "key", "r");
    EVP_PKEY *ca_key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    need(ca && ca_key, "issuer");
    X509_set_issuer_name(cert, X509_get_subject_name(ca));
    need(X509_sign(cert, ca_key, EVP_sha256()), "sign");
    X509_free(ca);
    EVP_PKEY_free(ca_key);
}

void certs_issue(const char *dir, const struct cert_spec *spec)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    need(key != NULL, "key");
    X509 *cert = make_cert(spec, key);
    sign(dir, spec, cert, key);
    FILE *f = open_file(dir, spec->name, "crt", "w");
    need(PEM_write_X509(f, cert), "write");
    fclose(f);
    f = open_file(dir, spec->name, "key", "w");
    need(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), "write");
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void certs_make(const char *dir)
{
    certs_issue(dir, &(struct cert_spec){.name = "ca", .authority = 1});
    certs_issue(dir, &(struct cert_spec){
                         .name = "server", .issuer = "ca", .usage = "serverAuth,clientAuth"});
    certs_issue(dir, &(struct cert_spec){.name = "client", .issuer = "ca", .usage = "clientAuth"});
}
