/* SPDX-License-Identifier: MPL-2.0
 *
 * http_headers.h - headers as configured, [X.headers], checked and as lines.
 *
 * Place:   HTTP outputs and inputs; requests as well as answers.
 * Threads: of the plugin.
 * Memory:  lines are the caller's until http_headers_fini().
 * Failure: every bad header is an error that names it; none can smuggle in a second line.
 * Bounds:  HTTP_HEADERS_MAX lines of HTTP_HEADER_SIZE bytes.
 */
#ifndef CONTROL_HTTP_HEADERS_H
#define CONTROL_HTTP_HEADERS_H

#include <stdbool.h>

#include "core/conf.h"

enum { HTTP_HEADERS_MAX = 64, HTTP_HEADER_SIZE = 4096 };

struct http_headers {                  /* zeroed: none */
    char *lines[HTTP_HEADERS_MAX + 1]; /* "Name: value", ended by NULL */
    unsigned count;
};

/* From a table of names with a string, or a list of strings, each; NULL: none. 0, or -1 after
 * adding texts that begin with `option`; http_headers_fini() in both cases. */
int http_headers_read(struct http_headers *headers, const struct conf_node *table,
                      const char *option, struct err *err);
/* One more. 0, or -1 after adding to `err`. */
int http_headers_add(struct http_headers *headers, const char *name, const char *value,
                     const char *option, struct err *err);
/* The same as http_headers_read(), for -check. */
int http_headers_check(const struct conf_node *table, const char *option, struct err *err);
bool http_headers_have(const struct http_headers *headers, const char *name);
void http_headers_fini(struct http_headers *headers);

/* A name and nothing else may be in a header. */
bool http_header_name_is_good(const char *name);

#endif
