/* SPDX-License-Identifier: MPL-2.0
 *
 * file_server.h - HTTP for the files of a folder, to be looked at with a browser.
 *
 * Place:   outputs/dashboard_output.c.
 * Threads: a thread of libmicrohttpd's own from start to stop.
 * Memory:  FILE_SERVER_CONNECTIONS connections.
 * Failure: what is not there is answered with 404, another method than GET and HEAD with 405; a
 *          connection that is idle for FILE_SERVER_IDLE_S is closed. No path leads out of the
 *          folder.
 * Source:  Heka 0.11 DashboardOutput: Go's http.FileServer.
 */
#ifndef CONTROL_FILE_SERVER_H
#define CONTROL_FILE_SERVER_H

#include "control/net/http_headers.h"
#include "control/inputs/listen_address.h"

enum { FILE_SERVER_CONNECTIONS = 256, FILE_SERVER_IDLE_S = 10 };

struct file_server;

/* `folder` and `headers` (of all answers) are borrowed. NULL after adding to `err`. */
struct file_server *file_server_start(const struct listen_address *address, const char *folder,
                                      const struct http_headers *headers, struct err *err);
void file_server_stop(struct file_server *server); /* NULL is fine */

uint64_t file_server_requests(const struct file_server *server);

/* False for a path of a URL that is no path of a file: not "/", then names without "..". */
bool file_server_path_is_good(const char *path);

#endif
