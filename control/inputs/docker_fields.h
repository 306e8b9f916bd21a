/* SPDX-License-Identifier: MPL-2.0
 *
 * docker_fields.h - options that the Docker inputs share, and what they say of a container.
 *
 * Place:   docker_link.c, docker_event_input.c, docker_log_input.c, docker_stats_input.c.
 * Threads: the input's.
 * Memory:  copies of names and values, DOCKER_FIELDS_MAX of DOCKER_VALUE_MAX bytes at most.
 * Source:  Heka 0.11 plugins/docker: fields of the environment, then of labels, which win.
 */
#ifndef CONTROL_INPUTS_DOCKER_FIELDS_H
#define CONTROL_INPUTS_DOCKER_FIELDS_H

#include "core/message.h"
#include "core/schema.h"

struct json_t; /* jansson's */

enum { DOCKER_ID_LEN = 12, DOCKER_FIELDS_MAX = 64, DOCKER_VALUE_MAX = 32 << 10 };

struct docker_options {
    const char *endpoint, *cert_path;
    const char *name_from_env_var;
    struct schema_list fields_from_env, fields_from_labels;
};

/* Rows of a schema for a struct that begins with a struct docker_options. */
#define DOCKER_OPTION(member) .key = #member, .offset = offsetof(struct docker_options, member)
#define DOCKER_LINK_ROWS                                                                           \
    {DOCKER_OPTION(endpoint), .type = SCHEMA_STRING, .def = "unix:///var/run/docker.sock",         \
     .help = "unix:///PATH, tcp://HOST:PORT, http://HOST:PORT or https://HOST:PORT."},             \
    {DOCKER_OPTION(cert_path), .type = SCHEMA_STRING,                                              \
     .help = "Folder with ca.pem, cert.pem and key.pem: TLS."}
#define DOCKER_FIELD_ROWS                                                                          \
    {DOCKER_OPTION(name_from_env_var), .type = SCHEMA_STRING,                                      \
     .help = "Variable of a container's environment that is its ContainerName, and a field."},     \
    {DOCKER_OPTION(fields_from_env), .type = SCHEMA_STRINGS,                                       \
     .help = "Variables of a container's environment that become fields."},                        \
    {DOCKER_OPTION(fields_from_labels), .type = SCHEMA_STRINGS,                                    \
     .help = "Labels of a container that become fields."}

/* 0, or -1 after adding to `err`. */
int docker_options_check(const struct docker_options *options, struct err *err);

struct docker_fields { /* zeroed: none */
    struct {
        char *name, *value;
    } list[DOCKER_FIELDS_MAX];
    unsigned count;
    bool has_terminal; /* its output is not in frames */
};

/* From what Docker says of the container. 0, -EBADMSG when it makes no sense, -ENOMEM. */
int docker_fields_read(struct docker_fields *fields, const struct docker_options *options,
                       const char *id, const struct json_t *container);
void docker_fields_fini(struct docker_fields *fields);
const char *docker_fields_name(const struct docker_fields *fields); /* ContainerName */
void docker_fields_write(const struct docker_fields *fields, struct msg_builder *builder);

#endif
