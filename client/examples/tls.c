/* tls.c - the same over TLS: ./tls HOST:PORT ca.crt [client.crt client.key]. Without ca.crt the
 * connection is plain, for a server on loopback that has no certificates. `gridctl cert init` and
 * `gridctl cert issue` make some. */
#include <grid.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    struct grid_options options = {
        .endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400",
        .ca = argc > 2 ? argv[2] : NULL,   /* whom we trust; turns TLS on */
        .cert = argc > 4 ? argv[3] : NULL, /* who we are, where the grid asks for it */
        .key = argc > 4 ? argv[4] : NULL,
    };
    struct grid *grid;
    char why[GRID_WHY_BYTES];

    /* Files, trust, the name in the server's certificate: what is wrong with them is said in `why`,
     * and no time is lost. */
    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    err = grid_ping(grid);
    if (err)
        fprintf(stderr, "%s: %s\n", grid_err_name(err), grid_error(grid));
    else
        printf("the grid answers%s\n", options.ca ? " over TLS" : ", not encrypted");
    grid_close(grid);
    return err ? 1 : 0;
}
