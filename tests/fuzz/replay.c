/* replay.c - main() of a fuzz target without a fuzzer: runs each file of its corpus. Also takes
 * files as arguments, to look into a finding. Prints "ok NAME" for each; a finding ends the
 * process. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("not ok %s\n", path);
        return 1;
    }
    size_t cap = 1 << 16, len = 0, n;
    uint8_t *data = malloc(cap);
    while (data && (n = fread(data + len, 1, cap - len, file)) > 0) {
        len += n;
        if (len == cap)
            data = realloc(data, cap *= 2);
    }
    fclose(file);
    if (!data)
        return 1;
    uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees a read behind the end */
    if (!exact)
        return 1;
    memcpy(exact, data, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    free(data);
    printf("ok %s\n", path);
    fflush(stdout);
    return 0;
}

static int replay_dir(const char *dir)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort), bad = 0;
    if (n < 0) {
        printf("not ok %s: no corpus\n", dir);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        char path[5000];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            bad |= replay(path);
        free(names[i]);
    }
    free(names);
    return bad;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        int bad = 0;
        for (int i = 1; i < argc; i++)
            bad |= replay(argv[i]);
        return bad;
    }
    const char *base = strrchr(argv[0], '/');
    base = base ? base + 1 : argv[0];
    if (strncmp(base, "fuzz_", 5) == 0)
        base += 5;
    char dir[4096];
    snprintf(dir, sizeof dir, "tests/fuzz/corpus/%s", base);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    return replay_dir(dir);
}
