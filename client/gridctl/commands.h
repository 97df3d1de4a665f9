/* commands.h - the handlers that commands.c names in its table. Each returns an exit code. */
#ifndef GRIDCTL_COMMANDS_H
#define GRIDCTL_COMMANDS_H

#include "ctl.h"

typedef int command_fn(struct ctl *c, const struct args *a);

/* cmd_data.c */
command_fn cmd_put, cmd_get, cmd_del, cmd_incr, cmd_expire, cmd_scan, cmd_count, cmd_locate;
/* cmd_task.c */
command_fn cmd_run;
command_fn cmd_map;
void cmd_result_print(struct ctl *c, const struct grid_value *result);
/* cmd_service.c */
command_fn cmd_service_deploy, cmd_service_list, cmd_service_show, cmd_service_stop;
command_fn cmd_service_call, cmd_broadcast;
/* cmd_jobs.c */
command_fn cmd_submit, cmd_jobs_list, cmd_jobs_show, cmd_jobs_wait, cmd_jobs_cancel;
command_fn cmd_schedule_create, cmd_schedule_list, cmd_schedule_show, cmd_schedule_pause,
    cmd_schedule_resume, cmd_schedule_remove, cmd_schedule_run_now;
/* cmd_load.c */
command_fn cmd_load, cmd_dump;
/* cmd_admin.c */
command_fn cmd_context_create, cmd_context_list, cmd_context_show, cmd_context_alter,
    cmd_context_drop;
command_fn cmd_cache_create, cmd_cache_list, cmd_cache_drop;
command_fn cmd_settings_list, cmd_settings_get, cmd_settings_set;
command_fn cmd_partition_list, cmd_partition_recover, cmd_partition_reset, cmd_partition_repair;
/* cmd_grid.c */
command_fn cmd_drain, cmd_undrain, cmd_remove;
command_fn cmd_rebalance_status, cmd_rebalance_pause, cmd_rebalance_resume;
/* cmd_module.c */
command_fn cmd_module_deploy, cmd_module_list, cmd_module_show, cmd_module_remove;
/* cmd_verify.c */
command_fn cmd_verify;
/* cmd_status.c */
command_fn cmd_ping, cmd_status, cmd_nodes, cmd_version;
/* cmd_top.c */
command_fn cmd_top;
/* cmd_cert.c */
command_fn cmd_cert_init, cmd_cert_issue;
/* cmd_user.c */
command_fn cmd_user_hash;
/* shell.c */
command_fn cmd_shell;
/* help.c */
command_fn cmd_help, cmd_completion_bash, cmd_completion_mdoc;

#endif
