/* cert.c - see cert.h. A file is written under another name, synced, and then linked to its own:
 * link() fails when there is one already, so that two runs at once cannot overwrite each other
 * either. */
#include "cert.h"
#include "value.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SERIAL_BYTES = 16, SKEW_S = 300 };

__attribute__((format(printf, 2, 3))) static bool fail(char *why, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(why, CERT_WHY_BYTES, format, list);
    va_end(list);
    return false;
}

static bool fail_openssl(char *why, const char *what)
{
    char text[256];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return fail(why, "%s: %s", what, text);
}

static bool join(char path[PATH_MAX], const char *dir, const char *name, const char *ending,
                 char *why)
{
    int n = snprintf(path, PATH_MAX, "%s/%s%s", dir, name, ending);
    return (n > 0 && n < PATH_MAX - 8) || fail(why, "the path is too long");
}

/* --- files --- */

static bool absent(const char *path, char *why)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        return fail(why, "%s is there already, and is not overwritten", path);
    return errno == ENOENT || fail(why, "%s: %s", path, strerror(errno));
}

typedef bool write_fn(BIO *bio, const void *what);

static bool write_key(BIO *bio, const void *key)
{
    return PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
}

static bool write_cert(BIO *bio, const void *cert)
{
    return PEM_write_bio_X509(bio, cert) == 1;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return false;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Make the file `path` with what `writer` writes. */
static bool make_file(const char *path, mode_t mode, write_fn *writer, const void *what, char *why)
{
    char temporary[PATH_MAX];
    char *data;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = bio && writer(bio, what);
    if (!ok) {
        BIO_free(bio);
        return fail_openssl(why, path);
    }
    long len = BIO_get_mem_data(bio, &data);
    snprintf(temporary, sizeof temporary, "%.*s.XXXXXX", PATH_MAX - 8, path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    ok = fd >= 0 && fchmod(fd, mode) == 0 && write_all(fd, data, (size_t)len) && fsync(fd) == 0 &&
         link(temporary, path) == 0;
    if (!ok)
        fail(why, "%s: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
        unlink(temporary);
    }
    BIO_free(bio);
    return ok;
}

/* Both or none. */
static bool make_pair(const char *dir, const char *name, EVP_PKEY *key, X509 *cert, char *why)
{
    char key_path[PATH_MAX], cert_path[PATH_MAX];
    if (!join(key_path, dir, name, ".key", why) || !join(cert_path, dir, name, ".crt", why))
        return false;
    if (!absent(cert_path, why) || !make_file(key_path, 0600, write_key, key, why))
        return false;
    if (make_file(cert_path, 0644, write_cert, cert, why))
        return true;
    unlink(key_path);
    return false;
}

static void *read_pem(const char *dir, const char *file, bool key, char *why)
{
    char path[PATH_MAX];
    if (!join(path, dir, file, "", why))
        return NULL;
    FILE *f = fopen(path, "re");
    if (!f) {
        fail(why, "%s: %s%s", path, strerror(errno),
             errno == ENOENT ? " (gridctl cert init makes it)" : "");
        return NULL;
    }
    void *what = key ? (void *)PEM_read_PrivateKey(f, NULL, NULL, NULL)
                     : (void *)PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    if (!what)
        fail_openssl(why, path);
    return what;
}

/* --- certificates --- */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* One more name or address; built by hand, so that no text is ever read as OpenSSL's
 * configuration language. */
static bool add_host(GENERAL_NAMES *names, const char *host)
{
    bool ip = value_ip(host);
    ASN1_STRING *value = ip ? a2i_IPADDRESS(host) : ASN1_IA5STRING_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    if (!value || !name || (!ip && ASN1_STRING_set(value, host, -1) != 1)) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, ip ? GEN_IPADD : GEN_DNS, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_hosts(X509 *cert, const char *const *hosts, size_t len)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names;
    for (size_t i = 0; ok && i < len; i++)
        ok = add_host(names, hosts[i]);
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and always as long */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

/* What an authority and a leaf have in common: version, serial, times, subject, key. */
static X509 *new_cert(const char *common_name, int days, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;
    const unsigned char *cn = (const unsigned char *)common_name;
    if (name && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) &&
        X509_gmtime_adj(X509_getm_notAfter(cert), (long)days * 86400) &&
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"gridd", -1, -1,
                                   0) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, cn, -1, -1, 0) &&
        X509_set_pubkey(cert, key))
        return cert;
    X509_free(cert);
    return NULL;
}

bool cert_init(const char *dir, char why[CERT_WHY_BYTES])
{
    char path[PATH_MAX];
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return fail(why, "%s: %s", dir, strerror(errno));
    if (!join(path, dir, "ca", ".key", why) || !absent(path, why) ||
        !join(path, dir, "ca", ".crt", why) || !absent(path, why))
        return false;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? new_cert("gridd private CA", CERT_CA_DAYS, key) : NULL;
    bool ok = cert && X509_set_issuer_name(cert, X509_get_subject_name(cert)) &&
              add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
              X509_sign(cert, key, EVP_sha256()) > 0;
    ok = ok ? make_pair(dir, "ca", key, cert, why) : fail_openssl(why, "certificate");
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

/* Nodes let in as a node who may be a server: `usage` says who is one. */
static bool make_leaf(const char *dir, const char *name, const char *const *hosts, size_t hosts_len,
                      const char *usage, X509 *ca, EVP_PKEY *ca_key, char *why)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? new_cert(name, CERT_LEAF_DAYS, key) : NULL;
    bool ok = cert && X509_set_issuer_name(cert, X509_get_subject_name(ca)) &&
              add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca, NID_ext_key_usage, usage) &&
              add_extension(cert, ca, NID_subject_key_identifier, "hash") &&
              add_extension(cert, ca, NID_authority_key_identifier, "keyid:always") &&
              add_hosts(cert, hosts, hosts_len) && X509_sign(cert, ca_key, EVP_sha256()) > 0;
    ok = ok ? make_pair(dir, name, key, cert, why) : fail_openssl(why, "certificate");
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

bool cert_issue(const char *dir, const char *name, const char *const *hosts, size_t hosts_len,
                bool client_only, char why[CERT_WHY_BYTES])
{
    const char *const usual[] = {"localhost", "127.0.0.1", "::1", name};
    char path[PATH_MAX];
    if (!value_name(name, strlen(name)) || strcmp(name, "ca") == 0)
        return fail(why, "this name cannot be had");
    if (!join(path, dir, name, ".key", why) || !absent(path, why) ||
        !join(path, dir, name, ".crt", why) || !absent(path, why))
        return false;
    X509 *ca = read_pem(dir, "ca.crt", false, why);
    EVP_PKEY *ca_key = ca ? read_pem(dir, "ca.key", true, why) : NULL;
    bool ok = ca && ca_key;
    if (ok && X509_check_private_key(ca, ca_key) != 1)
        ok = fail(why, "%s: ca.key does not belong to ca.crt", dir);
    if (ok)
        ok = make_leaf(dir, name, hosts_len ? hosts : usual, hosts_len ? hosts_len : 4,
                       client_only ? "clientAuth" : "serverAuth,clientAuth", ca, ca_key, why);
    ERR_clear_error();
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    return ok;
}
