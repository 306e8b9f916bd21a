/* SPDX-License-Identifier: MPL-2.0 */
#include "control/outputs/es_answer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

enum { STATUS_OK = 200, STATUS_OK_MAX = 299, STATUS_BUSY = 429, STATUS_SERVER_ERROR = 500 };

static enum es_outcome outcome_of(json_int_t status)
{
    if (status >= STATUS_OK && status <= STATUS_OK_MAX)
        return ES_INDEXED;
    return status == STATUS_BUSY || status >= STATUS_SERVER_ERROR ? ES_PENDING : ES_REJECTED;
}

/* {"type":"...","reason":"..."}, or a string as of old. */
static void keep_reason(const json_t *result, json_int_t status, char *reason, size_t size)
{
    const json_t *error = json_object_get(result, "error");
    const char *type = json_string_value(json_object_get(error, "type"));
    const char *text = json_string_value(json_object_get(error, "reason"));
    if (text == NULL)
        text = json_string_value(error);
    snprintf(reason, size, "status %d%s%s%s%s", (int)status, type != NULL ? ", " : "",
             type != NULL ? type : "", text != NULL ? ": " : "", text != NULL ? text : "");
}

/* The status of an item, {"index":{"status":201}}; 0: none. */
static json_int_t item_status(json_t *item, const json_t **result)
{
    const char *action;
    json_t *value;
    *result = NULL;
    json_object_foreach(item, action, value)
        *result = value;
    return json_integer_value(json_object_get(*result, "status"));
}

static int read_items(const json_t *items, enum es_outcome *outcomes, char *reason,
                      size_t reason_size)
{
    const json_t *result;
    enum es_outcome worst = ES_INDEXED;
    for (size_t i = 0; i < json_array_size(items); i++)
        if (item_status(json_array_get(items, i), &result) == 0)
            return -EPROTO;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_int_t status = item_status(json_array_get(items, i), &result);
        outcomes[i] = outcome_of(status);
        /* The first, but one for good before one for now. */
        if ((outcomes[i] == ES_REJECTED && worst != ES_REJECTED) ||
            (outcomes[i] == ES_PENDING && worst == ES_INDEXED)) {
            worst = outcomes[i];
            keep_reason(result, status, reason, reason_size);
        }
    }
    return 0;
}

int es_answer_read(const char *body, size_t size, enum es_outcome *outcomes, unsigned count,
                   char *reason, size_t reason_size)
{
    json_error_t error;
    reason[0] = '\0';
    json_t *root = size > 0 ? json_loadb(body, size, 0, &error) : NULL;
    int rc = 0;
    if (!json_is_object(root)) {
        json_decref(root);
        return -EBADMSG;
    }
    const json_t *items = json_object_get(root, "items");
    if (!json_is_true(json_object_get(root, "errors")))
        for (unsigned i = 0; i < count; i++)
            outcomes[i] = ES_INDEXED;
    else if (json_array_size(items) != count)
        rc = -EPROTO;
    else
        rc = read_items(items, outcomes, reason, reason_size);
    json_decref(root);
    return rc;
}
