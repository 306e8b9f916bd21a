/* SPDX-License-Identifier: MPL-2.0
 *
 * dashboard_files.h - the files that the dashboard's page reads: reports, outputs of sandboxes,
 * terminations.
 *
 * Place:   dashboard_output.c. Files: docs/formats/dashboard.md.
 * Threads: the output's; readers see whole files.
 * Memory:  names of at most DASHBOARD_OUTPUTS_MAX outputs.
 * Failure: 0; 1 and a reason: the message is none for these files; or negative errno.
 * Source:  Heka 0.11 DashboardOutput.
 */
#ifndef CONTROL_OUTPUTS_DASHBOARD_FILES_H
#define CONTROL_OUTPUTS_DASHBOARD_FILES_H

#include "core/err.h"
#include "core/message.h"

enum { DASHBOARD_OUTPUTS_MAX = 4096, DASHBOARD_TSV_MAX = 8 << 20 };

struct dashboard_files;

/* Makes `folder` and its `data`, removes what is left of the last time, and copies the files of
 * `static_folder` there if there is one. NULL after adding to `err`. */
struct dashboard_files *dashboard_files_new(const char *folder, const char *static_folder,
                                            struct err *err);
void dashboard_files_free(struct dashboard_files *files); /* NULL is fine; files stay */

int dashboard_files_take(struct dashboard_files *files, const struct msg_view *message,
                         const char **reason);

#endif
