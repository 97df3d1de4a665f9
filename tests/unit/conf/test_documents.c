/* test_documents.c - gridd.conf and its manual page name every key, with its default, in its
 * section, and whether it is reloadable; and no others.
 * LINK: conf base */
#include "conf_table.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 400, LINES = 400, VALUE_BYTES = 100 };

struct lines {
    char text[LINES][LINE_BYTES];
    int len;
};

static struct lines *lines_read(const char *path)
{
    struct lines *l = calloc(1, sizeof *l);
    FILE *file = fopen(path, "r");
    ck_assert_msg(l && file, "%s: tests run from the top of the tree", path);
    while (l->len < LINES && fgets(l->text[l->len], LINE_BYTES, file))
        l->len++;
    ck_assert_int_lt(l->len, LINES);
    fclose(file);
    return l;
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* As it would be written in a file; a manual page writes quotes in its own way. */
static void standard_text(const struct conf_option *o, const char *quote, char to[VALUE_BYTES])
{
    bool quoted = conf_is_text(o) && o->type != CONF_CHOICE;
    snprintf(to, VALUE_BYTES, "%s%s%s", quoted ? quote : "", o->standard ? o->standard : "",
             quoted ? quote : "");
}

static bool section_is(const struct conf_option *o, const char *section)
{
    return o->section ? strcmp(o->section, section) == 0 : section[0] == '\0';
}

START_TEST(the_commented_file_has_every_key_with_its_default_and_whether_it_reloads)
{
    struct lines *l = lines_read("conf/gridd.conf");
    for (int i = 0; i < CONF_OPTIONS; i++) {
        const struct conf_option *o = &conf_options[i];
        char section[LINE_BYTES] = "", want[LINE_BYTES], value[VALUE_BYTES];
        standard_text(o, "\"", value);
        snprintf(want, sizeof want, "# %s = %s", o->key, o->standard ? value : "");
        int found = 0;
        for (int k = 0; k < l->len; k++) {
            const char *line = l->text[k] + strspn(l->text[k], " ");
            sscanf(line, "%399[a-z] {", section);
            if (line[0] == '}')
                section[0] = '\0';
            if (!section_is(o, section) || !begins(line, want))
                continue;
            char after = line[strlen(want)];
            ck_assert_msg(!o->standard || after == ' ' || after == '\n', "%s", line);
            ck_assert_msg(!!strstr(line, "(reload)") == o->reload, "%s", line);
            found++;
        }
        ck_assert_msg(found == 1, "gridd.conf has %d lines %s", found, want);
    }
    free(l);
}
END_TEST

START_TEST(the_commented_file_names_no_other_key)
{
    struct lines *l = lines_read("conf/gridd.conf");
    int keys = 0;
    for (int k = 0; k < l->len; k++) {
        char key[LINE_BYTES];
        const char *line = l->text[k] + strspn(l->text[k], " ");
        keys += sscanf(line, "# %399[a-z_] = ", key) == 1 && strstr(line, " = ") &&
                strstr(line, " = ") == line + 2 + strlen(key);
    }
    ck_assert_int_eq(keys, CONF_OPTIONS);
    free(l);
}
END_TEST

START_TEST(the_commented_file_is_right_with_every_comment_taken_off)
{
    struct lines *l = lines_read("conf/gridd.conf");
    struct buf text = BUF_INIT, faults = BUF_INIT;
    for (int k = 0; k < l->len; k++) {
        char *line = l->text[k] + strspn(l->text[k], " "), key[LINE_BYTES];
        bool is_key = sscanf(line, "# %399[a-z_] =", key) == 1 && strstr(line, " = ");
        bool skip = strstr(line, ".crt") || strstr(line, ".key") || strstr(line, "HOSTNAME") ||
                    strstr(line, "...");
        if (is_key && !skip)
            line[0] = ' ';
        buf_add(&text, line, strlen(line));
    }
    struct conf *c = NULL;
    enum grid_err err = conf_parse("gridd.conf", buf_slice(&text), &faults, &c);
    ck_assert_msg(err == GRID_OK, "%.*s", (int)faults.len, (const char *)faults.data);
    ck_assert_str_eq(c->user, "gridd");
    conf_free(c);
    buf_release(&text);
    free(l);
}
END_TEST

START_TEST(the_manual_has_every_key_with_its_default_and_whether_it_reloads)
{
    struct lines *l = lines_read("conf/man/gridd.conf.5");
    int items = 0;
    for (int k = 0; k < l->len; k++)
        items += begins(l->text[k], ".It Ic ");
    ck_assert_int_eq(items, CONF_OPTIONS);
    for (int i = 0; i < CONF_OPTIONS; i++) {
        const struct conf_option *o = &conf_options[i];
        char section[LINE_BYTES] = "", want[LINE_BYTES], value[VALUE_BYTES];
        standard_text(o, "\\(dq", value);
        snprintf(want, sizeof want, ".It Ic %s No = %s%s", o->key, o->standard ? "Li " : "Ar ",
                 o->standard ? value : "");
        bool found = false, inside = false, reload = false;
        for (int k = 0; k < l->len; k++) {
            sscanf(l->text[k], ".Ss Section %399s", section);
            if (begins(l->text[k], ".It") || begins(l->text[k], ".El"))
                inside = section_is(o, section) && begins(l->text[k], want);
            found |= inside;
            reload |= inside && begins(l->text[k], "Reloadable.");
        }
        ck_assert_msg(found, "gridd.conf.5 has no line %s", want);
        ck_assert_msg(reload == o->reload, "gridd.conf.5 is wrong about reloading %s", o->key);
    }
    free(l);
}
END_TEST

UNIT_MAIN("conf/documents",
          the_commented_file_has_every_key_with_its_default_and_whether_it_reloads,
          the_commented_file_names_no_other_key,
          the_commented_file_is_right_with_every_comment_taken_off,
          the_manual_has_every_key_with_its_default_and_whether_it_reloads)
