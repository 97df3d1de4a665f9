/* cmd_cert.c - cert init, cert issue: print the files that were made. */
#include "cert.h"
#include "commands.h"
#include "text.h"

static int print_files(struct ctl *c, const char *dir, const char *name)
{
    static const struct out_column columns[] = {{"cert", OUT_TEXT, false},
                                                {"key", OUT_TEXT, false}};
    struct text cert = {0}, key = {0};
    text_addf(&cert, "%s/%s.crt", dir, name);
    text_addf(&key, "%s/%s.key", dir, name);
    out_begin(c->out, OUT_RECORD, columns, 2);
    out_text(c->out, text_str(&cert));
    out_text(c->out, text_str(&key));
    out_end(c->out);
    text_release(&cert);
    text_release(&key);
    return EXIT_DONE;
}

int cmd_cert_init(struct ctl *c, const struct args *a)
{
    char why[CERT_WHY_BYTES];
    if (!cert_init(args_text(a, "DIR"), why))
        return ctl_error(c, EXIT_USAGE, "%s", why);
    return print_files(c, args_text(a, "DIR"), "ca");
}

int cmd_cert_issue(struct ctl *c, const struct args *a)
{
    char why[CERT_WHY_BYTES];
    const char *dir = args_text(a, "DIR"), *name = args_text(a, "NAME");
    if (!cert_issue(dir, name, a->repeated, a->repeated_len, args_flag(a, "--client"), why))
        return ctl_error(c, EXIT_USAGE, "%s: %s", name, why);
    return print_files(c, dir, name);
}
