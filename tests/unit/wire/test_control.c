/* test_control.c - the control state and its commands through control.proto and back, and how
 * followers keep up.
 * LINK: wire control replica base pb frame */
#include "wire/control.h"

#include "base/alloc.h"
#include "base/prng.h"
#include "control/level.h"
#include "control/restore.h"
#include "tests/unit/control/grid.h"

/* What was decoded; emptied by each call. */
static struct arena *scratch(void)
{
    static struct arena *arena;
    if (!arena)
        arena = arena_new(1 << 20);
    arena_reset(arena);
    return arena;
}

static struct buf encoded(const struct grid_state *s)
{
    struct buf b = BUF_INIT;
    wire_state_encode(s, &b);
    return b;
}

static const struct module_function three_functions[] = {
    {"a", "", 0, MODULE_TASK},
    {"b", "what it does", MODULE_NO_WRITES, MODULE_FUNCTION},
    {"s", "", 0, MODULE_SERVICE}};
static const struct module_info one_module = {.name = "lib",
                                              .engine = MODULE_LUA,
                                              .source = {(const uint8_t *)"\0\xff", 2},
                                              .functions = three_functions,
                                              .functions_len = 3};

static const struct service_info three_copies = {.name = "lib.s",
                                                 .mode = SERVICE_COPIES,
                                                 .context = 1,
                                                 .copies = 3,
                                                 .arg = {(const uint8_t *)"{\0}", 3},
                                                 .native = true};

/* A state with some of everything in it. */
static struct grid_state *example(void)
{
    struct grid_state *s = founded(4);
    uint32_t both[] = {1, 2};
    uint32_t two = make_context(s, "two", 128, 1, DURABILITY_SYNC, 2);
    make_context(s, "mem", 64, BACKUPS_ALL, DURABILITY_MEMORY, 1);
    struct grid_command note = {
        .kind = GRID_CACHE_CREATE, .session = 99, .number = 1, .u.cache = {slice_str("two/x"), 5}};
    ck_assert_int_eq(apply(s, &note), GRID_OK);
    note.number = 7;
    ck_assert_int_eq(apply(s, &note), GRID_EEXISTS);
    struct grid_command deploy = {.kind = GRID_MODULE_DEPLOY, .u.module = {&one_module, false}};
    ck_assert_int_eq(apply(s, &deploy), GRID_OK);
    struct grid_command service = {.kind = GRID_SERVICE_DEPLOY, .u.service = &three_copies};
    ck_assert_int_eq(apply(s, &service), GRID_OK);
    const struct service_info *is = &s->catalog->services[0]->info;
    uint32_t to = 0;
    while (to == is->partitions[0] || to == is->partitions[1] || to == is->partitions[2])
        to++;
    struct grid_command move = {.kind = GRID_SERVICE_MOVE,
                                .u.move = {slice_str("lib.s"), 1, is->partitions[1], to}};
    ck_assert_int_eq(apply(s, &move), GRID_OK);
    gone(s, both, 2);
    enter(s, 1, 2);
    removed(s, 4, true);
    struct node_info five = info_of(5, 1);
    five.level = 2;
    struct grid_command enters = {.kind = GRID_ENTER, .now = 2000, .u.enter = &five};
    ck_assert_int_eq(apply(s, &enters), GRID_OK);
    drained(s, 3, true);
    for (uint32_t i = 0; i < 128; i++) {
        struct replica_config c = config(s, two, i);
        if (c.led && i % 3 == 0)
            part(s, PART_ADD_JOINING, two, i, present(s, 5));
    }
    return s;
}

START_TEST(a_state_comes_back_as_it_was)
{
    struct grid_state *s = example(), *d = NULL;
    struct buf first = encoded(s);
    ck_assert_int_eq(wire_state_decode(buf_slice(&first), &d), GRID_OK);
    grid_state_check(d);
    ck_assert_uint_eq(d->level, 1);
    ck_assert_uint_eq(grid_state_node(d, 5)->info.level, 2);
    struct buf second = encoded(d);
    ck_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    ck_assert_uint_eq(d->revision, s->revision);
    struct grid_change at = {0};
    ck_assert(!grid_state_next_change(s, d, &at));
    ck_assert_int_eq(enter(d, 4, 9), GRID_EDENIED); /* what was forgotten stays forgotten */
    ck_assert_int_eq(enter(d, 2, 1), GRID_ESTALE);
    struct grid_command again = {
        .kind = GRID_CACHE_CREATE, .session = 99, .number = 7, .u.cache = {slice_str("two/x"), 5}};
    ck_assert_int_eq(apply(d, &again), GRID_EEXISTS);
    ck_assert(out.repeated);
    grid_state_unref(s);
    grid_state_unref(d);
    buf_release(&first);
    buf_release(&second);
}
END_TEST

START_TEST(a_state_that_is_not_founded_comes_back_too)
{
    struct grid_state *s = grid_state_new(), *d = NULL;
    struct buf b = encoded(s);
    ck_assert_int_eq(wire_state_decode(buf_slice(&b), &d), GRID_OK);
    ck_assert(!grid_state_founded(d));
    grid_state_unref(s);
    grid_state_unref(d);
    buf_release(&b);
}
END_TEST

START_TEST(a_newer_format_is_told_from_damage)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum grid_err want;
    } rows[] = {{"\x08\x01", 2, GRID_OK},
                {"\x08\x02", 2, GRID_ENEWER},
                {"", 0, GRID_ECORRUPT},
                {"\x08\x00", 2, GRID_ECORRUPT},
                {"\x08\x01\x10\x05", 4, GRID_ECORRUPT},
                {"\xff\xff\xff", 3, GRID_ECORRUPT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct grid_state *s = NULL;
        ck_assert_int_eq(wire_state_decode(slice_make(rows[i].bytes, rows[i].len), &s),
                         rows[i].want);
        grid_state_unref(s);
    }
}
END_TEST

START_TEST(a_changed_byte_gives_damage_or_another_sound_state)
{
    struct grid_state *s = example();
    struct buf b = encoded(s);
    struct prng r = {5};
    unsigned sound = 0;
    for (int round = 0; round < 8000; round++) {
        size_t at = (size_t)prng_below(&r, b.len);
        uint8_t was = b.data[at];
        struct grid_state *d = NULL;
        b.data[at] = (uint8_t)prng_next(&r);
        if (wire_state_decode(buf_slice(&b), &d) == GRID_OK) {
            grid_state_check(d);
            sound++;
        }
        grid_state_unref(d);
        b.data[at] = was;
        if (round % 16 == 0 && wire_state_decode(slice_make(b.data, at), &d) == GRID_OK)
            grid_state_unref(d);
    }
    ck_assert_uint_gt(sound, 0);
    grid_state_unref(s);
    buf_release(&b);
}
END_TEST

/* A catalog of many partitions in a few bytes does not take their memory. */
START_TEST(tables_that_did_not_come_take_no_memory)
{
    struct grid_state *s = founded(1), *d = NULL;
    struct buf b = encoded(s);
    for (size_t len = b.len; len-- > b.len - 200;)
        ck_assert_int_ne(wire_state_decode(slice_make(b.data, len), &d), GRID_OK);
    grid_state_unref(s);
    buf_release(&b);
}
END_TEST

/* --- commands --------------------------------------------------------------------------------- */

static struct replica_member two_members[] = {{1, 1}, {3, 7}};
static struct part_change three_parts[] = {{PART_SHRINK, 1, 1023, 16777215, {1, 2}},
                                           {PART_RESET, 65535, 0, 1, {0, 0}},
                                           {PART_PROMOTE, 2, 5, 300, {4000000000u, 9}}};
static uint32_t voters[] = {1, 3, 5};
static struct node_level two_levels[] = {{{1, 2}, 2}, {{3, 7}, 5}};

static size_t examples(struct grid_command *c, struct node_info *info, struct context_info *ctx,
                       struct catalog *adopt)
{
    static const bool voter[] = {true};
    static const uint8_t id[GRID_ID_BYTES] = "grid";
    *info = info_of(1, 1);
    strcpy(info->labels, "zone=a,rack=b");
    *ctx = (struct context_info){.name = "x",
                                 .partitions = 64,
                                 .backups = BACKUPS_ALL,
                                 .memory_limit = 1ull << 40,
                                 .min_in_sync = 2,
                                 .nodes = "zone=a"};
    struct grid_command list[] = {
        {.kind = GRID_FOUND, .u.found = {"home", id, info, voter, 1, NULL, 0}},
        {.kind = GRID_FOUND, .u.found = {"home", id, info, voter, 1, adopt, 9}},
        {.kind = GRID_ENTER, .u.enter = info},
        {.kind = GRID_ALTER, .u.alter = info},
        {.kind = GRID_GONE, .u.gone = {two_members, 2}},
        {.kind = GRID_DRAIN, .u.drain = {5, true}},
        {.kind = GRID_REMOVE, .u.remove = {6, true}},
        {.kind = GRID_PARTS, .u.parts = {three_parts, 3}},
        {.kind = GRID_VOTERS, .u.voters = {voters, 3}},
        {.kind = GRID_POLICY, .u.policy = {true}},
        {.kind = GRID_CONTEXT_CREATE, .u.context = ctx},
        {.kind = GRID_CONTEXT_ALTER, .u.context = ctx},
        {.kind = GRID_CONTEXT_DROP, .u.name = slice_str("x")},
        {.kind = GRID_CACHE_CREATE, .u.cache = {slice_str("x/y"), 1000}},
        {.kind = GRID_CACHE_DROP, .u.cache = {slice_str("x/y"), 0}},
        {.kind = GRID_SETTING_SET, .u.setting = {slice_str("voters"), -5}},
        {.kind = GRID_MODULE_DEPLOY, .u.module = {&one_module, true}},
        {.kind = GRID_MODULE_REMOVE, .u.name = slice_str("lib")},
        {.kind = GRID_MODULE_REMOVE},
        {.kind = GRID_LEVELS, .u.levels = {two_levels, 2}},
        {.kind = GRID_SERVICE_DEPLOY, .u.service = &three_copies},
        {.kind = GRID_SERVICE_STOP, .u.name = slice_str("lib.s")},
        {.kind = GRID_SERVICE_MOVE, .u.move = {slice_str("lib.s"), 2, 70, 1023}},
    };
    memcpy(c, list, sizeof list);
    return sizeof list / sizeof *list;
}

START_TEST(every_command_comes_back_as_it_was)
{
    struct grid_command list[32], d;
    struct node_info info;
    struct context_info ctx;
    struct catalog *adopt = catalog_new();
    size_t n = examples(list, &info, &ctx, adopt);
    for (size_t i = 0; i < n; i++) {
        struct buf first = BUF_INIT, second = BUF_INIT;
        list[i].session = 0xffeeddccbbaa9988;
        list[i].number = i;
        list[i].now = 1700000000000;
        wire_command_encode(&list[i], &first);
        ck_assert_int_eq(wire_command_decode(buf_slice(&first), scratch(), &d), GRID_OK);
        ck_assert(d.kind == list[i].kind && d.session == list[i].session);
        ck_assert(d.number == i && d.now == 1700000000000);
        wire_command_encode(&d, &second);
        ck_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
        wire_command_release(&d);
        buf_release(&first);
        buf_release(&second);
    }
    catalog_unref(adopt);
}
END_TEST

START_TEST(what_a_command_says_arrives)
{
    struct grid_command c = {.kind = GRID_PARTS, .u.parts = {three_parts, 3}}, d;
    struct buf b = BUF_INIT;
    wire_command_encode(&c, &b);
    ck_assert_int_eq(wire_command_decode(buf_slice(&b), scratch(), &d), GRID_OK);
    ck_assert_uint_eq(d.u.parts.len, 3);
    ck_assert_mem_eq(d.u.parts.list, three_parts, sizeof three_parts);
    struct node_info info = info_of(3, 4);
    strcpy(info.labels, "zone=a");
    info.level = 9;
    c = (struct grid_command){.kind = GRID_ENTER, .u.enter = &info};
    b.len = 0;
    wire_command_encode(&c, &b);
    ck_assert_int_eq(wire_command_decode(buf_slice(&b), scratch(), &d), GRID_OK);
    ck_assert_mem_eq(d.u.enter, &info, sizeof info);
    buf_release(&b);
}
END_TEST

START_TEST(a_command_of_a_later_version_is_told_from_damage)
{
    struct grid_command d;
    ck_assert_int_eq(wire_command_decode(slice_str("\x08\x70"), scratch(), &d), GRID_ENEWER);
    struct buf b = BUF_INIT;
    struct part_change part = {.kind = PART_KIND_MAX + 1, .context = 1, .epoch = 1};
    struct grid_command parts = {.kind = GRID_PARTS, .u.parts = {&part, 1}};
    wire_command_encode(&parts, &b);
    ck_assert_int_eq(wire_command_decode(buf_slice(&b), scratch(), &d), GRID_ENEWER);
    struct node_level level = {{1, 1}, GRID_LEVEL + 1}; /* the grid goes on without this version */
    struct grid_command levels = {.kind = GRID_LEVELS, .u.levels = {&level, 1}};
    b.len = 0;
    wire_command_encode(&levels, &b);
    ck_assert_int_eq(wire_command_decode(buf_slice(&b), scratch(), &d), GRID_ENEWER);
    buf_release(&b);
    ck_assert_int_eq(wire_command_decode(slice_str("\x10\x01"), scratch(), &d), GRID_ECORRUPT);
    ck_assert_int_eq(wire_command_decode(slice_str("\x08\x02"), scratch(), &d), GRID_ECORRUPT);
    ck_assert_int_eq(wire_command_decode(slice_str("\x08\x07\x42\x01\x01"), scratch(), &d),
                     GRID_ECORRUPT);
}
END_TEST

START_TEST(a_full_batch_is_small)
{
    struct part_change list[GRID_PARTS_MAX];
    struct grid_command c = {.kind = GRID_PARTS, .u.parts = {list, GRID_PARTS_MAX}};
    struct buf b = BUF_INIT;
    for (uint32_t i = 0; i < GRID_PARTS_MAX; i++)
        list[i] = (struct part_change){PART_PROMOTE, 20, i + 700, 1000, {20, 3}};
    wire_command_encode(&c, &b);
    ck_assert_uint_lt(b.len, GRID_PARTS_MAX * 12);
    buf_release(&b);
}
END_TEST

/* --- followers -------------------------------------------------------------------------------- */

static void leader_does(struct grid_state *s, struct control_tail *t, struct prng *r)
{
    struct part_change p = {.context = 1, .partition = (uint32_t)prng_below(r, 1024)};
    struct replica_config c = config(s, 1, p.partition);
    struct grid_command command = {.kind = GRID_PARTS, .u.parts = {&p, 1}};
    struct buf b = BUF_INIT;
    p.epoch = (uint32_t)c.epoch;
    p.kind = c.in_sync > 1 ? PART_SHRINK : c.len > 1 ? PART_PROMOTE : PART_ADD_JOINING;
    p.member = p.kind == PART_ADD_JOINING ? (struct replica_member){1 + c.members[0].node % 3, 1}
                                          : c.members[1];
    ck_assert_int_eq(grid_state_apply(s, &command, &out), GRID_OK);
    wire_command_encode(&command, &b);
    control_tail_add(t, s->revision, buf_slice(&b));
    buf_release(&b);
}

START_TEST(a_follower_that_gets_the_commands_since_has_the_same_state)
{
    struct grid_state *s = founded(3), *f = founded(3);
    struct control_tail *t = control_tail_new(4096);
    struct prng r = {8};
    for (int i = 0; i < 50; i++)
        leader_does(s, t, &r);
    while (f->revision < s->revision) {
        struct buf d = BUF_INIT;
        uint64_t to = 0;
        ck_assert(control_tail_delta(t, f->revision, 100, &to, &d));
        ck_assert_uint_le(d.len, 100);
        ck_assert_uint_gt(to, f->revision);
        ck_assert_int_eq(wire_delta_apply(f, buf_slice(&d), scratch()), GRID_OK);
        ck_assert_uint_eq(f->revision, to);
        ck_assert_int_eq(wire_delta_apply(f, buf_slice(&d), scratch()), GRID_ESTALE);
        buf_release(&d);
    }
    struct buf a = encoded(s), b = encoded(f);
    ck_assert(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_release(&a);
    buf_release(&b);
    control_tail_free(t);
    grid_state_unref(s);
    grid_state_unref(f);
}
END_TEST

START_TEST(who_is_too_far_behind_gets_a_snapshot)
{
    struct grid_state *s = founded(3);
    struct control_tail *t = control_tail_new(200);
    struct prng r = {8};
    struct buf d = BUF_INIT;
    uint64_t to;
    ck_assert(!control_tail_delta(t, 0, 100, &to, &d));
    for (int i = 0; i < 50; i++)
        leader_does(s, t, &r);
    ck_assert(!control_tail_delta(t, 1, 1000, &to, &d));
    ck_assert(!control_tail_delta(t, s->revision + 1, 1000, &to, &d));
    ck_assert(control_tail_delta(t, s->revision - 3, 1000, &to, &d));
    ck_assert_uint_eq(to, s->revision);
    ck_assert(control_tail_delta(t, s->revision, 1000, &to, &d));
    control_tail_add(t, s->revision + 5, slice_str("x")); /* a gap */
    ck_assert(!control_tail_delta(t, s->revision, 1000, &to, &d));
    buf_release(&d);
    control_tail_free(t);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_delta_that_is_cut_or_changed_is_refused_or_leads_to_a_sound_state)
{
    struct grid_state *s = founded(3), *f = founded(3);
    struct control_tail *t = control_tail_new(4096);
    struct prng r = {8};
    struct buf d = BUF_INIT;
    uint64_t to;
    for (int i = 0; i < 8; i++)
        leader_does(s, t, &r);
    ck_assert(control_tail_delta(t, 1, 4096, &to, &d));
    for (int round = 0; round < 3000; round++) {
        struct grid_state *copy = grid_state_copy(f);
        size_t at = (size_t)prng_below(&r, d.len);
        uint8_t was = d.data[at];
        d.data[at] = (uint8_t)prng_next(&r);
        size_t len = prng_below(&r, 2) ? d.len : (size_t)prng_below(&r, d.len);
        (void)!wire_delta_apply(copy, slice_make(d.data, len), scratch());
        d.data[at] = was;
        grid_state_check(copy);
        grid_state_unref(copy);
    }
    buf_release(&d);
    control_tail_free(t);
    grid_state_unref(s);
    grid_state_unref(f);
}
END_TEST

/* --- size ------------------------------------------------------------------------------------- */

START_TEST(twenty_contexts_are_a_small_snapshot)
{
    static const uint32_t nodes[] = {3, 20};
    for (int k = 0; k < 2; k++) {
        struct grid_state *s = founded(nodes[k]), *d = NULL;
        for (uint32_t i = 0; i < 19; i++) {
            char name[] = {'c', (char)('a' + i), 0};
            make_context(s, name, 1024, 2, DURABILITY_SYNC, 1);
        }
        struct buf b = encoded(s);
        ck_assert_uint_lt(b.len, 256 << 10);
        ck_assert_int_eq(wire_state_decode(buf_slice(&b), &d), GRID_OK);
        grid_state_unref(s);
        grid_state_unref(d);
        buf_release(&b);
    }
}
END_TEST

UNIT_MAIN("wire/control", a_state_comes_back_as_it_was, a_state_that_is_not_founded_comes_back_too,
          a_newer_format_is_told_from_damage, a_changed_byte_gives_damage_or_another_sound_state,
          tables_that_did_not_come_take_no_memory, every_command_comes_back_as_it_was,
          what_a_command_says_arrives, a_command_of_a_later_version_is_told_from_damage,
          a_full_batch_is_small, a_follower_that_gets_the_commands_since_has_the_same_state,
          who_is_too_far_behind_gets_a_snapshot,
          a_delta_that_is_cut_or_changed_is_refused_or_leads_to_a_sound_state,
          twenty_contexts_are_a_small_snapshot)
