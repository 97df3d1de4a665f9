/* control_priv.h - messages of control.proto, shared by those who write and read them. */
#ifndef GRIDD_WIRE_CONTROL_PRIV_H
#define GRIDD_WIRE_CONTROL_PRIV_H

#include "control.pb-c.h"
#include "wire/control.h"
#include "wire/wire_priv.h"

/* Into messages in an arena without a limit; they borrow strings. */
Control__Catalog *wire_fill_catalog(struct arena *a, const struct catalog *c);
void wire_fill_module(struct arena *a, Control__Module *to, const struct module_info *from);
void wire_fill_service(struct arena *a, Control__Service *to, const struct service_info *from);
void wire_fill_control_context(Control__Context *to, const struct context_info *from);
void wire_fill_node_info(struct arena *a, Control__NodeInfo *to, const struct node_info *from);

/* From messages; false, or GRID_ECORRUPT: what it says none of ours would. */
enum grid_err wire_take_catalog(const Control__Catalog *m, struct arena *a,
                                struct catalog **ret_catalog);
/* Functions are of the arena, the source is borrowed. */
bool wire_take_module(const Control__Module *m, struct arena *a, struct module_info *ret_info);
/* The argument is borrowed. */
bool wire_take_service(const Control__Service *m, struct service_info *ret_info);
bool wire_take_context(const Control__Context *m, struct context_info *ret_info);
bool wire_take_node_info(const Control__NodeInfo *m, struct node_info *ret_info);

/* Decoded structs are larger than their bytes: an arena for those of `in`; NULL: absurd. */
struct arena *wire_arena_for(struct slice in);

#endif
