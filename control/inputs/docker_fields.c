/* SPDX-License-Identifier: MPL-2.0 */
#include "control/inputs/docker_fields.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "control/net/http_client.h"
#include "control/net/tls.h"

/* ---- options ---- */

static int check_certificates(const char *folder, struct err *err)
{
    char paths[3][PATH_MAX];
    static const char *const names[] = {"ca.pem", "cert.pem", "key.pem"};
    for (unsigned i = 0; i < 3; i++)
        if (snprintf(paths[i], PATH_MAX, "%s/%s", folder, names[i]) >= PATH_MAX)
            return err_add(err, "cert_path: found '%s', which is too long", folder);
    struct tls_options tls = {.root_cafile = paths[0], .cert_file = paths[1], .key_file = paths[2]};
    return tls_check(&tls, TLS_CLIENT, err);
}

int docker_options_check(const struct docker_options *options, struct err *err)
{
    static const char *const schemes[] = {"tcp", "http", "https", NULL};
    const char *endpoint = options->endpoint;
    int rc = 0;
    if (strncmp(endpoint, "unix://", 7) == 0 && endpoint[7] != '/')
        rc = err_add(err, "endpoint: found '%s', allowed unix:///PATH", endpoint);
    else if (strncmp(endpoint, "unix://", 7) != 0)
        rc = http_url_check(endpoint, schemes, "endpoint", err);
    if (tls_option_is_set(options->cert_path))
        rc |= check_certificates(options->cert_path, err);
    return rc;
}

/* ---- fields ---- */

static int set_field(struct docker_fields *fields, const char *name, const char *value)
{
    unsigned i = 0;
    while (i < fields->count && strcmp(fields->list[i].name, name) != 0)
        i++;
    if (i == DOCKER_FIELDS_MAX)
        return 0;
    char *copy = strndup(value, DOCKER_VALUE_MAX);
    if (copy == NULL)
        return -ENOMEM;
    if (i < fields->count) {
        free(fields->list[i].value);
        fields->list[i].value = copy;
        return 0;
    }
    fields->list[i].name = strdup(name);
    fields->list[i].value = copy;
    fields->count++;
    return fields->list[i].name != NULL ? 0 : -ENOMEM;
}

/* The value in "NAME=VALUE" of a list, or NULL. */
static const char *env_value(const json_t *env, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < json_array_size(env); i++) {
        const char *text = json_string_value(json_array_get(env, i));
        if (text != NULL && strncmp(text, name, len) == 0 && text[len] == '=')
            return text + len + 1;
    }
    return NULL;
}

static int set_if_there(struct docker_fields *fields, const char *name, const char *value)
{
    return value != NULL ? set_field(fields, name, value) : 0;
}

static int read_lists(struct docker_fields *fields, const struct docker_options *options,
                      const json_t *config)
{
    const json_t *env = json_object_get(config, "Env"), *labels = json_object_get(config, "Labels");
    const char *const *names = options->fields_from_env.items;
    int rc = 0;
    for (size_t i = 0; i < options->fields_from_env.count && rc == 0; i++)
        rc = set_if_there(fields, names[i], env_value(env, names[i]));
    names = options->fields_from_labels.items;
    for (size_t i = 0; i < options->fields_from_labels.count && rc == 0; i++)
        rc = set_if_there(fields, names[i], json_string_value(json_object_get(labels, names[i])));
    return rc;
}

int docker_fields_read(struct docker_fields *fields, const struct docker_options *options,
                       const char *id, const struct json_t *container)
{
    const json_t *config = json_object_get(container, "Config");
    const char *name = json_string_value(json_object_get(container, "Name"));
    const char *image = json_string_value(json_object_get(config, "Image"));
    const char *other = NULL, *env_name = options->name_from_env_var;
    if (name == NULL || config == NULL)
        return -EBADMSG;
    if (tls_option_is_set(env_name))
        other = env_value(json_object_get(config, "Env"), env_name);
    fields->has_terminal = json_is_true(json_object_get(config, "Tty"));
    name += name[0] == '/';
    int rc = set_field(fields, "ContainerID", id);
    if (rc == 0)
        rc = set_field(fields, "ContainerName", tls_option_is_set(other) ? other : name);
    if (rc == 0)
        rc = set_field(fields, "ContainerImage", image != NULL ? image : "");
    if (rc == 0 && other != NULL)
        rc = set_field(fields, env_name, other);
    return rc != 0 ? rc : read_lists(fields, options, config);
}

void docker_fields_fini(struct docker_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        free(fields->list[i].name);
        free(fields->list[i].value);
    }
    memset(fields, 0, sizeof(*fields));
}

const char *docker_fields_name(const struct docker_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (strcmp(fields->list[i].name, "ContainerName") == 0)
            return fields->list[i].value;
    return "";
}

void docker_fields_write(const struct docker_fields *fields, struct msg_builder *builder)
{
    for (unsigned i = 0; i < fields->count; i++)
        msg_builder_field_string(builder, fields->list[i].name, fields->list[i].value,
                                 strlen(fields->list[i].value), NULL);
}
