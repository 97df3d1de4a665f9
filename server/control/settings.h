/* settings.h - the rows of settings.def by index. */
#ifndef GRIDD_CONTROL_SETTINGS_H
#define GRIDD_CONTROL_SETTINGS_H

#include <stdint.h>

enum setting_index {
#define X(name, value, min, max, unit, help) SETTING_##name,
#include "control/settings.def"
#undef X
    SETTINGS_LEN
};

struct setting_row {
    const char *name;
    int64_t value; /* the default */
    int64_t min;
    int64_t max;
    const char *unit;
    const char *help;
};

extern const struct setting_row setting_rows[SETTINGS_LEN];

#endif
