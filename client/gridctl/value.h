/* value.h - numbers, durations, sizes and names as people write them. Pure; false: not what is
 * expected, output untouched. */
#ifndef GRIDCTL_VALUE_H
#define GRIDCTL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits only, up to INT64_MAX, so that every number gridctl takes can be written as JSON. */
bool value_count(const char *s, uint64_t *ret);
bool value_integer(const char *s, int64_t *ret);
/* 500ms, 10s, 5m, 2h, 1d; a plain number counts `plain_ms` milliseconds each. At most 100,000
 * days. */
bool value_duration(const char *s, uint64_t plain_ms, uint64_t *ret_ms);
/* 4096, 64K, 64M, 2G, 1T; also Ki, KiB, KB: always 1024. */
bool value_size(const char *s, uint64_t *ret_bytes);
/* A name of a context or cache: 1..64 of a-z A-Z 0-9 _ - . beginning with a letter or digit. */
bool value_name(const char *s, size_t len);
bool value_cache_path(const char *s); /* CONTEXT/CACHE */
bool value_endpoints(const char *s);  /* HOST:PORT[,...], [V6]:PORT */
bool value_host(const char *s);       /* a DNS name or an IP address */
bool value_ip(const char *s);

/* For people: "1.5 MiB", "3d 4h", "12.3 s"; in `buf`, returned. */
enum { VALUE_TEXT_BYTES = 48 };
const char *value_size_text(char buf[VALUE_TEXT_BYTES], uint64_t bytes);
const char *value_duration_text(char buf[VALUE_TEXT_BYTES], uint64_t ms);
/* 1234567 -> "1,234,567" */
const char *value_count_text(char buf[VALUE_TEXT_BYTES], uint64_t n);

#endif
