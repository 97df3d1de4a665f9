/* check_history.c - whether a history could have been told by a grid that does one thing at a time.
 *
 *   check-history FILE     (history.h has the form; - is standard input)
 *
 * Exit code: 0 it could; 1 it could not, and why; 2 it cannot be read; 3 too hard to say. */
#include "tests/lib/history.h"

#include <errno.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: check-history FILE\n");
        return 2;
    }
    FILE *file = strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "r");
    if (!file) {
        fprintf(stderr, "check-history: %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    static const int codes[] = {[HISTORY_GOOD] = 0, [HISTORY_TOO_HARD] = 3, [HISTORY_BAD] = 1};
    struct history *h = history_new();
    struct buf words = BUF_INIT;
    int code = 2;
    enum grid_err err = history_read(h, file, &words);
    if (err)
        fprintf(stderr, "check-history: %s: %s: %.*s\n", argv[1], err_text(err), (int)words.len,
                (const char *)words.data);
    else
        code = codes[history_judge(h, NULL, &words)];
    if (!err)
        fwrite(words.data, 1, words.len, stdout);
    buf_release(&words);
    history_free(h);
    if (file != stdin)
        fclose(file);
    return fflush(stdout) == 0 ? code : 2;
}
