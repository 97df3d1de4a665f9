/* value.c - what each type takes for well-formed. */
#include "data/value.h"

#include "data/fields.h"

static bool bytes_valid(struct slice stored)
{
    (void)stored;
    return true;
}

static bool media_valid(struct slice stored)
{
    return stored.len && stored.data[0] && stored.data[0] <= MEDIA_BYTES_MAX &&
           stored.data[0] < stored.len;
}

static const struct {
    bool (*stored)(struct slice stored);
    bool (*edits)(struct slice edits); /* NULL: it is never edited */
} types[VALUE_TYPES] = {
    [VALUE_BYTES] = {bytes_valid, NULL},
    [VALUE_MEDIA] = {media_valid, NULL},
    [VALUE_HASH] = {fields_packed_valid, fields_edits_valid},
};

bool value_valid(unsigned type, struct slice stored)
{
    return type < VALUE_TYPES && types[type].stored(stored);
}

bool value_edits_valid(unsigned type, struct slice edits)
{
    return type < VALUE_TYPES && types[type].edits && types[type].edits(edits);
}
