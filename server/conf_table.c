/* conf_table.c - every key of gridd.conf: type, default, limits, whether SIGHUP takes it over. */
#include "conf_table.h"

#include "conf.h"

#define AT(field) offsetof(struct conf, field)
#define BYTES(section, key, standard, min, max, reload)                                            \
    {                                                                                              \
        section, #key, CONF_BYTES, AT(key), standard, min, max, NULL, reload                       \
    }
#define NUMBER(section, key, standard, min, max, reload)                                           \
    {                                                                                              \
        section, #key, CONF_NUMBER, AT(key), standard, min, max, NULL, reload                      \
    }
#define TIME(section, key, standard, min, max, reload)                                             \
    {                                                                                              \
        section, #key, CONF_TIME, AT(key), standard, min, max, NULL, reload                        \
    }
#define TEXT(section, key, type, standard, reload)                                                 \
    {                                                                                              \
        section, #key, type, AT(key), standard, 0, 0, NULL, reload                                 \
    }
#define FLAG(section, key, field, standard, reload)                                                \
    {                                                                                              \
        section, #key, CONF_FLAG, AT(field), standard, 0, 0, NULL, reload                          \
    }
#define CHOICE(section, key, standard, choices, reload)                                            \
    {                                                                                              \
        section, #key, CONF_CHOICE, AT(key), standard, 0, 0, choices, reload                       \
    }

enum { DAY_MS = 86400000, HOUR_MS = 3600000 };

const struct conf_option conf_options[CONF_OPTIONS] = {
    TEXT(NULL, peers, CONF_ADDRESSES, NULL, true),
    TEXT(NULL, users, CONF_USERS, NULL, true),
    TEXT(NULL, rights, CONF_RIGHTS, NULL, true),
    TEXT("node", name, CONF_NAME, NULL, false),
    TEXT("node", grid, CONF_NAME, "grid", false),
    TEXT("node", data, CONF_TEXT, "/var/lib/gridd", false),
    TEXT("node", user, CONF_TEXT, NULL, false),
    TEXT("node", labels, CONF_LABELS, NULL, true),
    NUMBER("node", weight, "1", 1, 1000, true),
    NUMBER("node", bootstrap_expect, "0", 0, 64, false),
    TEXT("node", module_dir, CONF_TEXT, NULL, false),
    TEXT("listen", client, CONF_ADDRESS, "127.0.0.1:7400", false),
    TEXT("listen", peer, CONF_ADDRESS, "127.0.0.1:7401", false),
    TEXT("listen", http, CONF_DOOR, "127.0.0.1:7402", false),
    TEXT("listen", resp, CONF_DOOR, "127.0.0.1:7403", false),
    CHOICE("listen", resp_ports, "shared", "shared|per_shard", false),
    NUMBER("listen", resp_shard_base, "0", 0, 65535, false),
    TEXT("listen", resp_caches, CONF_CACHES, NULL, false),
    TEXT("listen", advertise_client, CONF_ADDRESS, NULL, false),
    TEXT("listen", advertise_peer, CONF_ADDRESS, NULL, false),
    TEXT("listen", advertise_http, CONF_ADDRESS, NULL, false),
    TEXT("listen", advertise_resp, CONF_ADDRESS, NULL, false),
    TEXT("tls", ca, CONF_FILE, NULL, true),
    TEXT("tls", cert, CONF_FILE, NULL, true),
    TEXT("tls", key, CONF_FILE, NULL, true),
    FLAG("tls", client_certificates, client_certificates, "true", true),
    FLAG("tls", http, tls_http, "true", false),
    FLAG("tls", resp, tls_resp, "true", false),
    FLAG("tls", insecure, insecure, "false", false),
    NUMBER("storage", shards, "0", 0, 256, false),
    BYTES("storage", log_segment, "64M", 1 << 20, INT64_C(1) << 32, false),
    CHOICE("log", level, "info", "debug|info|warn|error", true),
    CHOICE("log", format, "logfmt", "logfmt|json", true),
    BYTES("limits", memory, "0", 0, INT64_C(1) << 50, false),
    NUMBER("limits", connections, "10000", 1, 1000000, true),
    NUMBER("limits", pool_threads, "0", 0, 256, false),
    NUMBER("limits", job_threads, "0", 0, 1024, false),
    NUMBER("limits", jobs_per_module, "0", 0, 1024, false),
    TIME("limits", idle_timeout, "0", 0, DAY_MS *INT64_C(365), true),
    TIME("limits", slow_reader, "30s", 100, DAY_MS, true),
    TIME("limits", handshake_timeout, "10s", 100, HOUR_MS, true),
    NUMBER("limits", requests_per_connection, "1024", 1, 100000, true),
    BYTES("limits", output_per_connection, "1M", 65536, 1 << 30, true),
};

const char *const conf_sections[CONF_SECTIONS] = {
    "node", "listen", "tls", "storage", "log", "limits",
};
