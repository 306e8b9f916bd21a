/* SPDX-License-Identifier: MPL-2.0
 *
 * access_message.h - messages about requests to a web server, for the benchmarks of sandboxes.
 *
 * Place:   bench/sandbox_rate.c and bench/lane_source.c read and write the same ones.
 * Threads: any; no state.
 */
#ifndef BENCH_ACCESS_MESSAGE_H
#define BENCH_ACCESS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACCESS_MESSAGES = 1024, ACCESS_MESSAGE_SIZE = 512 };

/* Format of the payload, as nginx names it. */
#define ACCESS_LOG_FORMAT                                                                          \
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "             \
    "\"$http_referer\" \"$http_user_agent\""

/* The `number`-th, below ACCESS_MESSAGES, with Type "access" and the fields request, status and
 * size (which is `number`): into ACCESS_MESSAGE_SIZE bytes. `has_line`: its Payload is a line of an
 * access log. Returns its size. */
size_t access_message_build(unsigned number, bool has_line, uint8_t *bytes);

#endif
