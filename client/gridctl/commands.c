/* commands.c - the table of all commands. Parser, --help, completion and the manual's list are
 * made from it. */
#include "commands.h"

#define AFFINITY                                                                                   \
    {                                                                                              \
        .name = "affinity", .type = ARG_TEXT, .metavar = "A",                                      \
        .help = "placed with everything of the same affinity key; needed wherever the key was "    \
                "written with one"                                                                 \
    }
#define CACHE                                                                                      \
    {                                                                                              \
        .name = "CACHE", .type = ARG_CACHE, .help = "CONTEXT/NAME"                                 \
    }
#define KEY                                                                                        \
    {                                                                                              \
        .name = "KEY", .type = ARG_KEY,                                                            \
        .help = "1 to 480 bytes; one that begins with - goes after --"                             \
    }
#define PRIORITY                                                                                   \
    {                                                                                              \
        .name = "priority", .type = ARG_COUNT, .help = "1 goes first, 9 last; default 5"           \
    }
#define JOB_ID                                                                                     \
    {                                                                                              \
        .name = "ID", .type = ARG_TEXT, .help = "as `submit` printed it"                           \
    }
#define SCHEDULE                                                                                   \
    {                                                                                              \
        .name = "NAME", .type = ARG_NAME, .help = "of the schedule"                                \
    }
#define LOCAL                                                                                      \
    {                                                                                              \
        .name = "local",                                                                           \
        .help = "a copy on the node that is asked may answer; at worst 300 ms old"                 \
    }
#define TTL                                                                                        \
    {                                                                                              \
        .name = "ttl", .type = ARG_TTL,                                                            \
        .help = "time to live: 500ms, 10s, 5m, 2h, 1d, seconds, or `none`; else the cache's"       \
    }
#define CONTEXT_OPTIONS                                                                            \
    {.name = "backups", .type = ARG_BACKUPS, .help = "copies beside the primary"},                 \
        {.name = "durability",                                                                     \
         .type = ARG_CHOICE,                                                                       \
         .choices = "sync|async|memory",                                                           \
         .help = "when a write is answered: on disk, in memory, or never on disk at all"},         \
        {.name = "memory-limit",                                                                   \
         .type = ARG_SIZE,                                                                         \
         .help = "on one node: 64M, 2G; 0: only the node's own limit"},                            \
        {.name = "min-in-sync",                                                                    \
         .type = ARG_COUNT,                                                                        \
         .help = "refuse writes with fewer up-to-date copies"},                                    \
        {.name = "nodes", .type = ARG_SELECTOR, .help = "only on nodes that have this label"},     \
    {                                                                                              \
        .name = "when-full", .type = ARG_CHOICE, .choices = "refuse|evict",                        \
        .help = "what a memory context does at its limit"                                          \
    }

const struct arg_spec global_options[GLOBALS_MAX] = {
    {.name = "endpoints",
     .type = ARG_ENDPOINTS,
     .env = "GRIDCTL_ENDPOINTS",
     .help = "nodes to try; default 127.0.0.1:7400"},
    {.name = "ca",
     .type = ARG_FILE,
     .env = "GRIDCTL_CA",
     .help = "certificate of the authority; turns TLS on"},
    {.name = "cert", .type = ARG_FILE, .env = "GRIDCTL_CERT", .help = "certificate to show"},
    {.name = "key", .type = ARG_FILE, .env = "GRIDCTL_KEY", .help = "its private key"},
    {.name = "user",
     .type = ARG_TEXT,
     .env = "GRIDCTL_USER",
     .metavar = "U",
     .help = "log in; the password is GRIDCTL_PASSWORD or asked for"},
    {.name = "timeout",
     .type = ARG_MS,
     .env = "GRIDCTL_TIMEOUT",
     .help = "of each request; default 5000"},
    {.name = "json", .help = "print JSON"},
    {.name = "version", .letter = 'V', .help = "print the version of gridctl"},
    {.name = "help", .letter = 'h', .help = "about gridctl or the command before it"},
};

const struct command commands[] = {
    {
        .path = "ping",
        .help = "ask whether the grid answers",
        .options = {{.name = "wait", .type = ARG_MS, .help = "try for as long as this"}},
        .examples = {"gridctl ping --wait 10s"},
        .run = cmd_ping,
    },
    {
        .path = "status",
        .help = "health of the grid on one screen; exit 1 when it has problems",
        .run = cmd_status,
    },
    {
        .path = "nodes",
        .help = "list the nodes; while their feature levels differ, those, too "
                "(gridd(8), Upgrading)",
        .run = cmd_nodes,
    },
    {
        .path = "top",
        .help = "live view of what the nodes do; q ends it",
        .run = cmd_top,
    },
    {
        .path = "context create",
        .help = "make a context: placement and policy of its caches",
        .args = {{.name = "NAME", .type = ARG_NAME, .help = "of the context"}},
        .options = {{.name = "partitions",
                     .type = ARG_PARTITIONS,
                     .help = "a power of two up to 16384; default the grid's"},
                    CONTEXT_OPTIONS},
        .examples = {"gridctl context create orders --durability async --memory-limit 2G"},
        .run = cmd_context_create,
    },
    {.path = "context list", .help = "list the contexts", .run = cmd_context_list},
    {
        .path = "context show",
        .help = "print one context",
        .args = {{.name = "NAME", .type = ARG_NAME, .help = "of the context"}},
        .run = cmd_context_show,
        .names_subject = true,
    },
    {
        .path = "context alter",
        .help = "change what is given, keep the rest",
        .args = {{.name = "NAME", .type = ARG_NAME, .help = "of the context"}},
        .options = {CONTEXT_OPTIONS},
        .examples = {"gridctl context alter orders --memory-limit 4G"},
        .run = cmd_context_alter,
        .names_subject = true,
    },
    {
        .path = "context drop",
        .help = "remove a context and all its data",
        .args = {{.name = "NAME", .type = ARG_NAME, .help = "of the context"}},
        .run = cmd_context_drop,
        .names_subject = true,
    },
    {
        .path = "cache create",
        .help = "make a cache in a context",
        .args = {CACHE},
        .options = {{.name = "ttl",
                     .type = ARG_TTL,
                     .help = "of entries written without one; default none"}},
        .examples = {"gridctl cache create orders/lines --ttl 1d"},
        .run = cmd_cache_create,
    },
    {
        .path = "cache list",
        .help = "list the caches",
        .args = {{.name = "CONTEXT",
                  .type = ARG_NAME,
                  .optional = true,
                  .help = "only of this context"}},
        .run = cmd_cache_list,
        .names_subject = true,
    },
    {
        .path = "cache drop",
        .help = "remove a cache and all its data",
        .args = {CACHE},
        .run = cmd_cache_drop,
        .names_subject = true,
    },
    {
        .path = "module deploy",
        .help = "give all nodes a library of functions, which Redis clients call by FCALL, and of "
                "tasks; one of its name is replaced",
        .args = {{.name = "FILE", .type = ARG_FILE, .help = "Lua; - is standard input"}},
        .options = {{.name = "name",
                     .type = ARG_TEXT,
                     .metavar = "N",
                     .help = "of the module; default: the first line's, #!lua name=N"}},
        .examples = {"gridctl module deploy stock.lua"},
        .run = cmd_module_deploy,
    },
    {.path = "module list", .help = "list the modules", .run = cmd_module_list},
    {
        .path = "module show",
        .help = "print one module, its functions and tasks",
        .args = {{.name = "NAME", .type = ARG_TEXT, .help = "of the module"}},
        .options = {{.name = "source", .help = "print its source, and nothing else"}},
        .examples = {"gridctl module show stock --source > stock.lua"},
        .run = cmd_module_show,
        .names_subject = true,
    },
    {
        .path = "module remove",
        .help = "take a module away from all nodes",
        .args = {{.name = "NAME", .type = ARG_TEXT, .help = "of the module"}},
        .run = cmd_module_remove,
        .names_subject = true,
    },
    {
        .path = "service deploy",
        .help = "let a service of a module live in the grid; one of its name is replaced",
        .args = {{.name = "SERVICE", .type = ARG_TEXT, .help = "MODULE.SERVICE"}},
        .options = {{.name = "mode",
                     .type = ARG_CHOICE,
                     .choices = "singleton|node|key|copies",
                     .help =
                         "how many there are: one (default), one on each node, one for each key "
                         "that is called, or --copies"},
                    {.name = "copies", .type = ARG_COUNT, .help = "1 to 32"},
                    {.name = "context",
                     .type = ARG_NAME,
                     .metavar = "CONTEXT",
                     .help = "whose partitions they live with; default `default`"},
                    {.name = "nodes",
                     .type = ARG_SELECTOR,
                     .help = "of mode node: only on nodes that have this label"},
                    {.name = "arg",
                     .type = ARG_ANY,
                     .metavar = "JSON",
                     .help = "what its code is told: JSON, or any text; default nothing"}},
        .examples = {"gridctl service deploy shop.pricing --mode copies --copies 3"},
        .run = cmd_service_deploy,
        .names_subject = true,
    },
    {.path = "service list", .help = "list the services", .run = cmd_service_list},
    {
        .path = "service show",
        .help = "print one service: which nodes have it, since when, with which token, what failed "
                "last",
        .args = {{.name = "SERVICE", .type = ARG_TEXT, .help = "MODULE.SERVICE"}},
        .run = cmd_service_show,
        .names_subject = true,
    },
    {
        .path = "service stop",
        .help = "end a service everywhere",
        .args = {{.name = "SERVICE", .type = ARG_TEXT, .help = "MODULE.SERVICE"}},
        .run = cmd_service_stop,
        .names_subject = true,
    },
    {
        .path = "service call",
        .help = "call a method of a service, wherever it lives, and print its answer as it is",
        .args = {{.name = "SERVICE", .type = ARG_TEXT, .help = "MODULE.SERVICE"},
                 {.name = "METHOD", .type = ARG_TEXT, .help = "up to 64 bytes"}},
        .options = {{.name = "key",
                     .type = ARG_KEY,
                     .help = "whose instance (mode key), or which of the copies"},
                    {.name = "arg",
                     .type = ARG_ANY,
                     .metavar = "JSON",
                     .help = "JSON, or any text; default nothing"},
                    {.name = "arg-file",
                     .type = ARG_FILE,
                     .help = "that has it, to the byte; - is standard input"},
                    {.name = "again",
                     .help = "done twice is fine: ask again when its node is lost, not IN_DOUBT"}},
        .examples = {"gridctl service call shop.pricing quote --arg '{\"item\": 7}'"},
        .run = cmd_service_call,
        .names_subject = true,
    },
    {
        .path = "broadcast",
        .help = "run code of a module once on each node, and print what each answers; exit 1 when "
                "one failed or did not answer",
        .args = {{.name = "NAME", .type = ARG_TEXT, .help = "MODULE.NAME"}},
        .options = {{.name = "nodes",
                     .type = ARG_SELECTOR,
                     .help = "only on nodes that have this label"},
                    {.name = "arg",
                     .type = ARG_ANY,
                     .metavar = "JSON",
                     .help = "JSON, or any text; default nothing"}},
        .examples = {"gridctl broadcast ops.check --nodes zone=dc1"},
        .run = cmd_broadcast,
        .names_subject = true,
    },
    {
        .path = "run",
        .help = "run a task of a module on the node that leads the key's partition, and print its "
                "result as it is",
        .args = {{.name = "TASK", .type = ARG_TEXT, .help = "MODULE.TASK"}},
        .options = {{.name = "cache",
                     .type = ARG_CACHE,
                     .help = "CONTEXT/NAME, that the task begins in",
                     .required = true},
                    {.name = "key",
                     .type = ARG_KEY,
                     .help = "that the task is about; it need not be there",
                     .required = true},
                    AFFINITY,
                    {.name = "arg",
                     .type = ARG_ANY,
                     .metavar = "JSON",
                     .help = "what the task is told: JSON, or any text; default nothing"},
                    {.name = "arg-file",
                     .type = ARG_FILE,
                     .help = "that has it, to the byte; - is standard input"}},
        .examples = {"gridctl run bank.transfer --cache bank/accounts --key ann --affinity "
                     "branch7 --arg '{\"to\": \"bob\", \"amount\": 5}'"},
        .run = cmd_run,
    },
    {
        .path = "map",
        .help = "run a map of a module over the entries of a cache, each where it lies, and print "
                "its rows: KEY TAB VALUE",
        .args = {{.name = "MAP", .type = ARG_TEXT, .help = "MODULE.MAP"}},
        .options = {{.name = "cache",
                     .type = ARG_CACHE,
                     .help = "CONTEXT/NAME, whose entries it is given",
                     .required = true},
                    {.name = "arg",
                     .type = ARG_ANY,
                     .metavar = "JSON",
                     .help = "what the map is told: JSON, or any text; default nothing"},
                    {.name = "keys",
                     .type = ARG_FILE,
                     .help = "only the keys in it, one a line as scan prints them, behind a tab "
                             "what each is placed by, if not by itself; - is standard input"},
                    {.name = "time",
                     .type = ARG_TTL,
                     .help = "that all of it may take; default 1m"}},
        .examples = {"gridctl map index.sizes --cache packages/by-name"},
        .run = cmd_map,
    },
    {
        .path = "submit",
        .help = "queue a job (or a task) in the partition of its key, and print its id",
        .args = {{.name = "JOB", .type = ARG_TEXT, .help = "MODULE.JOB"}},
        .options = {{.name = "cache",
                     .type = ARG_CACHE,
                     .help = "CONTEXT/NAME, that the job works on",
                     .required = true},
                    {.name = "key",
                     .type = ARG_KEY,
                     .help =
                         "that the job is about and is placed by; it need not be there; default "
                         "a random one, and it runs on the node with most room"},
                    AFFINITY,
                    {.name = "arg",
                     .type = ARG_ANY,
                     .metavar = "JSON",
                     .help = "what the job is told: JSON, or any text; default nothing"},
                    {.name = "delay", .type = ARG_MS, .help = "it does not begin earlier"},
                    PRIORITY,
                    {.name = "attempts",
                     .type = ARG_COUNT,
                     .help = "it has failed when its code failed so often; default 1"},
                    {.name = "backoff",
                     .type = ARG_MS,
                     .help = "before it is tried again, twice as long each time; default 1s"},
                    {.name = "deadline",
                     .type = ARG_MS,
                     .help = "from now; queued or running, it fails then"},
                    {.name = "keep",
                     .type = ARG_MS,
                     .help = "how long it can be asked for when it has ended; default an hour"},
                    {.name = "nodes",
                     .type = ARG_SELECTOR,
                     .help = "only a node that has this label runs it"},
                    {.name = "wait", .help = "wait for its end, and print its result"}},
        .examples = {"gridctl submit shop.reprice --cache shop/items --key all --wait"},
        .run = cmd_submit,
    },
    {
        .path = "jobs list",
        .help = "list the jobs of the grid, oldest first",
        .options = {{.name = "status",
                     .type = ARG_CHOICE,
                     .choices = "queued|running|done|failed|cancelled",
                     .help = "only those"}},
        .run = cmd_jobs_list,
    },
    {
        .path = "jobs show",
        .help = "print one job, with its result or why it failed",
        .args = {JOB_ID},
        .run = cmd_jobs_show,
        .names_subject = true,
    },
    {
        .path = "jobs wait",
        .help = "wait until a job has ended, and print its result; a progress bar on a terminal",
        .args = {JOB_ID},
        .options = {{.name = "wait-for", .type = ARG_MS, .help = "at most; default for ever"}},
        .run = cmd_jobs_wait,
        .names_subject = true,
    },
    {
        .path = "jobs cancel",
        .help = "end a job now; what its checkpoints wrote stays",
        .args = {JOB_ID},
        .run = cmd_jobs_cancel,
        .names_subject = true,
    },
    {
        .path = "schedule create",
        .help = "let a job (or a task) be submitted by itself, once in the grid for each tick",
        .args = {SCHEDULE, {.name = "JOB", .type = ARG_TEXT, .help = "MODULE.JOB"}},
        .options = {{.name = "cron",
                     .type = ARG_TEXT,
                     .metavar = "TIMES",
                     .help = "five fields, in UTC: minute, hour, day of month, month, day of week"},
                    {.name = "every", .type = ARG_MS, .help = "1s at least"},
                    {.name = "cache", .type = ARG_CACHE, .help = "default default/default"},
                    {.name = "key",
                     .type = ARG_KEY,
                     .help = "that the job is about, and where both live; default NAME, and it "
                             "runs on the node "
                             "with most room"},
                    AFFINITY,
                    {.name = "arg",
                     .type = ARG_ANY,
                     .metavar = "JSON",
                     .help = "what the job is told: JSON, or any text; default nothing"},
                    PRIORITY,
                    {.name = "attempts",
                     .type = ARG_COUNT,
                     .help = "it has failed when its code failed so often; default 1"},
                    {.name = "backoff",
                     .type = ARG_MS,
                     .help = "before it is tried again, twice as long each time; default 1s"},
                    {.name = "deadline",
                     .type = ARG_MS,
                     .help = "from its tick; queued or running, it fails then"},
                    {.name = "keep",
                     .type = ARG_MS,
                     .help = "how long it can be asked for when it has ended; default an hour"},
                    {.name = "nodes",
                     .type = ARG_SELECTOR,
                     .help = "only a node that has this label runs it"}},
        .examples = {"gridctl schedule create nightly shop.reprice --cron '30 3 * * *' --cache "
                     "shop/items --key all"},
        .run = cmd_schedule_create,
        .names_subject = true,
    },
    {.path = "schedule list", .help = "list the schedules", .run = cmd_schedule_list},
    {
        .path = "schedule show",
        .help = "print the runs of late of a schedule",
        .args = {SCHEDULE},
        .run = cmd_schedule_show,
        .names_subject = true,
    },
    {
        .path = "schedule pause",
        .help = "let its ticks pass",
        .args = {SCHEDULE},
        .run = cmd_schedule_pause,
        .names_subject = true,
    },
    {
        .path = "schedule resume",
        .help = "go on; of ticks that passed meanwhile the latest is caught up with",
        .args = {SCHEDULE},
        .run = cmd_schedule_resume,
        .names_subject = true,
    },
    {
        .path = "schedule remove",
        .help = "end it; jobs that it submitted go on",
        .args = {SCHEDULE},
        .run = cmd_schedule_remove,
        .names_subject = true,
    },
    {
        .path = "schedule run-now",
        .help = "submit its job once, beside its ticks",
        .args = {SCHEDULE},
        .run = cmd_schedule_run_now,
        .names_subject = true,
    },
    {
        .path = "put",
        .help = "write a value and print its version",
        .args = {CACHE,
                 KEY,
                 {.name = "VALUE",
                  .type = ARG_ANY,
                  .help = "- reads standard input to its end, as it is"}},
        .options = {AFFINITY,
                    TTL,
                    {.name = "if-absent", .help = "only when there is no such key"},
                    {.name = "if-version",
                     .type = ARG_COUNT,
                     .metavar = "V",
                     .help = "only when the key has this version"}},
        .examples = {"gridctl put default/default greeting hello",
                     "gridctl put shop/pictures p17 - --ttl 1d < p17.png"},
        .run = cmd_put,
    },
    {
        .path = "get",
        .help = "print a value and a newline",
        .args = {CACHE, KEY},
        .options = {AFFINITY, {.name = "version", .help = "print version, TAB, value"}, LOCAL},
        .run = cmd_get,
    },
    {
        .path = "del",
        .help = "remove a key; exit 1 when there is none",
        .args = {CACHE, KEY},
        .options = {AFFINITY},
        .run = cmd_del,
    },
    {
        .path = "incr",
        .help = "add to a number and print it; a missing key counts as 0",
        .args = {CACHE,
                 KEY,
                 {.name = "BY",
                  .type = ARG_INTEGER,
                  .optional = true,
                  .help = "default 1; may be negative"}},
        .options = {AFFINITY},
        .run = cmd_incr,
    },
    {
        .path = "expire",
        .help = "change the time to live of a key",
        .args = {CACHE,
                 KEY,
                 {.name = "D",
                  .type = ARG_TTL,
                  .help = "500ms, 10s, 5m, 2h, 1d, seconds, or `none`"}},
        .options = {AFFINITY},
        .run = cmd_expire,
    },
    {
        .path = "scan",
        .help = "print keys and values, escaped, in no order",
        .args = {CACHE},
        .options = {{.name = "prefix",
                     .type = ARG_TEXT,
                     .metavar = "P",
                     .help = "only keys that begin so"},
                    {.name = "limit", .type = ARG_COUNT, .help = "stop after so many"},
                    {.name = "keys", .help = "no values"},
                    LOCAL},
        .examples = {"gridctl scan packages/by-name --prefix lib --limit 10 --keys"},
        .run = cmd_scan,
    },
    {
        .path = "count",
        .help = "print the number of entries",
        .args = {CACHE},
        .options = {LOCAL},
        .run = cmd_count,
    },
    {
        .path = "load",
        .help = "write the records of a file, many at a time",
        .args = {CACHE, {.name = "FILE", .type = ARG_FILE, .help = "- is standard input"}},
        .options = {{.name = "format",
                     .type = ARG_CHOICE,
                     .choices = "tsv|jsonl",
                     .help = "default: by the file's name, else tsv"},
                    {.name = "key",
                     .type = ARG_TEXT,
                     .metavar = "FIELD",
                     .help = "tsv: column number (or name, with --header), default 1; jsonl: name "
                             "of the field"},
                    {.name = "affinity",
                     .type = ARG_TEXT,
                     .metavar = "FIELD",
                     .help = "column or field whose text is the affinity key"},
                    {.name = "header", .help = "tsv: the first line names the columns"},
                    {.name = "raw",
                     .help = "tsv: a backslash is a backslash, nothing is an escape"},
                    TTL},
        .examples = {"gridctl load packages/by-name packages.tsv",
                     "gridctl load shop/orders orders.jsonl --key id"},
        .run = cmd_load,
    },
    {
        .path = "dump",
        .help = "print all entries so that load reads them back",
        .args = {CACHE},
        .options =
            {{.name = "format",
              .type = ARG_CHOICE,
              .choices =
                  "tsv|jsonl",
              .help = "default tsv; jsonl keeps deadlines, affinity keys, media types and hashes"},
             LOCAL},
        .examples = {"gridctl dump packages/by-name --format jsonl > packages.jsonl"},
        .run = cmd_dump,
    },
    {
        .path = "locate",
        .help = "print where a key is kept",
        .args = {CACHE, KEY},
        .options = {AFFINITY},
        .run = cmd_locate,
    },
    {
        .path = "partition list",
        .help = "list the partitions",
        .args = {{.name = "CONTEXT",
                  .type = ARG_NAME,
                  .optional = true,
                  .help = "only of this context"}},
        .run = cmd_partition_list,
        .names_subject = true,
    },
    {
        .path = "partition recover",
        .help =
            "give up what is damaged, or only on nodes that are down; go on with the rest; print "
            "how many partitions went on",
        .args = {{.name = "CONTEXT",
                  .type = ARG_NAME,
                  .help = "its partitions that are damaged, or wait for a node"}},
        .options = {{.name = "accept-loss", .help = "do not ask: what cannot be read is lost"}},
        .run = cmd_partition_recover,
        .names_subject = true,
    },
    {
        .path = "partition reset",
        .help = "begin anew, empty, where the last copy is lost; print how many partitions did",
        .args = {{.name = "CONTEXT", .type = ARG_NAME, .help = "its lost partitions"}},
        .options = {{.name = "accept-loss", .help = "do not ask: what was in them is gone"}},
        .run = cmd_partition_reset,
        .names_subject = true,
    },
    {
        .path = "partition repair",
        .help = "make one copy anew from another in sync: where `verify` finds them different",
        .args = {{.name = "CONTEXT", .type = ARG_NAME, .help = "whose partition"},
                 {.name = "PARTITION", .type = ARG_COUNT, .help = "its number"},
                 {.name = "NODE", .type = ARG_NAME, .help = "whose copy is the wrong one"}},
        .run = cmd_partition_repair,
    },
    {
        .path = "verify",
        .help = "compare all copies of the data; exit 1 when they differ or cannot be compared",
        .args = {{.name = "CONTEXT",
                  .type = ARG_NAME,
                  .optional = true,
                  .help = "only of this context"}},
        .run = cmd_verify,
        .names_subject = true,
    },
    {
        .path = "drain",
        .help = "move everything away from a node: it can be stopped or removed then; where too "
                "few others are left to hold as many copies as asked, what it has stays, "
                "and that is said",
        .args = {{.name = "NODE", .type = ARG_NAME, .help = "its name"}},
        .run = cmd_drain,
        .names_subject = true,
    },
    {
        .path = "undrain",
        .help = "let a drained node have copies again",
        .args = {{.name = "NODE", .type = ARG_NAME, .help = "its name"}},
        .run = cmd_undrain,
        .names_subject = true,
    },
    {
        .path = "remove",
        .help = "take a node out of the grid for ever; it cannot come back with its data",
        .args = {{.name = "NODE", .type = ARG_NAME, .help = "its name"}},
        .options = {{.name = "accept-loss", .help = "even if it has the last copy of something"}},
        .run = cmd_remove,
        .names_subject = true,
    },
    {
        .path = "rebalance status",
        .help = "print what is moving; exit 1 until every copy is where it should be",
        .run = cmd_rebalance_status,
    },
    {
        .path = "rebalance pause",
        .help = "move nothing for balance; copies that are missing are still made",
        .run = cmd_rebalance_pause,
    },
    {.path = "rebalance resume", .help = "go on with it", .run = cmd_rebalance_resume},
    {.path = "settings list", .help = "list the settings of the grid", .run = cmd_settings_list},
    {
        .path = "settings get",
        .help = "print the value of a setting",
        .args = {{.name = "NAME", .type = ARG_NAME, .help = "of the setting"}},
        .run = cmd_settings_get,
        .names_subject = true,
    },
    {
        .path = "settings set",
        .help = "change a setting of the whole grid",
        .args = {{.name = "NAME", .type = ARG_NAME, .help = "of the setting"},
                 {.name = "VALUE",
                  .type = ARG_TEXT,
                  .help =
                      "a number in the setting's unit; 10s or 64M where it is a time or a size"}},
        .examples = {"gridctl settings set log_sync_interval 50ms"},
        .run = cmd_settings_set,
        .names_subject = true,
    },
    {
        .path = "cert init",
        .help = "make a private certificate authority: DIR/ca.crt, DIR/ca.key",
        .args = {{.name = "DIR", .type = ARG_FILE, .help = "made when it is not there"}},
        .run = cmd_cert_init,
    },
    {
        .path = "cert issue",
        .help = "make DIR/NAME.crt and DIR/NAME.key for a node or a client",
        .args = {{.name = "DIR", .type = ARG_FILE, .help = "of the authority"},
                 {.name = "NAME", .type = ARG_NAME, .help = "of the node or client"}},
        .options =
            {{.name = "host",
              .type = ARG_HOST,
              .repeats =
                  true,
              .help = "name or address it answers to; default localhost, 127.0.0.1, ::1 and NAME"},
             {.name = "client", .help = "for a client only: nobody can be a node with it"}},
        .examples = {"gridctl cert init tls",
                     "gridctl cert issue tls a --host a.example.org --host 10.0.0.1",
                     "gridctl cert issue tls app --client"},
        .run = cmd_cert_issue,
    },
    {
        .path = "user hash",
        .help = "print a line for `users` of gridd.conf; the password is GRIDCTL_PASSWORD, asked "
                "for, or piped in",
        .args = {{.name = "NAME", .type = ARG_NAME, .help = "of the user"}},
        .options =
            {{.name = "rounds",
              .type = ARG_COUNT,
              .help =
                  "of PBKDF2, 1 to 100000: what a guess costs, and a first login; default 4096"}},
        .examples = {"gridctl user hash app"},
        .run = cmd_user_hash,
    },
    {
        .path = "shell",
        .help = "the same commands one after the other, with history and completion",
        .options = {{.name = "keep-going",
                     .letter = 'k',
                     .help = "not from a terminal: go on after an error"}},
        .run = cmd_shell,
    },
    {
        .path = "completion bash",
        .help = "print the completion script for bash",
        .examples = {"source <(gridctl completion bash)"},
        .run = cmd_completion_bash,
    },
    {
        .path = "completion mdoc",
        .help = "print the list of commands for the manual",
        .run = cmd_completion_mdoc,
        .hidden = true,
    },
    {
        .path = "help",
        .help = "about gridctl or a command",
        .args = {{.name = "COMMAND",
                  .type = ARG_ANY,
                  .optional = true,
                  .repeats = true,
                  .help = "its words"}},
        .run = cmd_help,
    },
    {.path = "version", .help = "print the version of gridctl", .run = cmd_version},
};
const size_t commands_len = sizeof commands / sizeof *commands;
