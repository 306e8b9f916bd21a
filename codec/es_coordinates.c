/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/es_coordinates.h"

#include <string.h>

#include "codec/strftime.h"
#include "core/clock.h"

enum { NAME_MAX_SIZE = 4096 };

struct es_source es_source_of(const struct es_coordinates *coordinates,
                              const struct msg_view *message)
{
    return (struct es_source){
        .message = message,
        .index_ns = coordinates->es_index_from_timestamp ? message->timestamp_ns
                                                         : (int64_t)clock_wall_ns(),
    };
}

/* ---- %{...} ---- */

static bool put_header(struct text *text, struct msg_slice name, const struct msg_view *message)
{
    const struct {
        const char *name;
        struct msg_slice value;
    } texts[] = {
        {"Type", message->type},
        {"Hostname", message->hostname},
        {"Logger", message->logger},
        {"EnvVersion", message->env_version},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strlen(texts[i].name) != name.len || memcmp(texts[i].name, name.ptr, name.len) != 0)
            continue;
        text_slice(text, texts[i].value);
        return true;
    }
    if (name.len == 3 && memcmp(name.ptr, "Pid", 3) == 0) {
        text_printf(text, "%d", message->pid);
    } else if (name.len == 8 && memcmp(name.ptr, "Severity", 8) == 0) {
        text_printf(text, "%d", message->severity);
    } else if (name.len == 4 && memcmp(name.ptr, "UUID", 4) == 0) {
        char uuid[MSG_UUID_TEXT_LEN];
        msg_uuid_text(message->uuid, uuid);
        text_bytes(text, uuid, sizeof(uuid));
    } else {
        return false;
    }
    return true;
}

static bool put_field(struct text *text, struct msg_slice name, const struct msg_view *message)
{
    struct msg_field field;
    struct msg_values values;
    struct msg_value value;
    if (!msg_field_find(message, name.ptr, name.len, 0, &field))
        return false;
    msg_values_init(&values, &field);
    if (!msg_values_next(&values, &value))
        return false;
    if (value.type == MSG_STRING || value.type == MSG_BYTES)
        text_slice(text, value.slice);
    else
        text_number(text, &value);
    return true;
}

/* False when nothing in it is a code. */
static bool put_date(struct text *text, struct msg_slice name, int64_t time_ns)
{
    char format[NAME_MAX_SIZE];
    size_t before = text->out->size;
    if (name.len >= sizeof(format) || text->rc != 0) {
        text_slice(text, name);
        return false;
    }
    if (name.len > 0)
        memcpy(format, name.ptr, name.len);
    format[name.len] = '\0';
    text->rc = strftime_append(text->out, format, time_ns, STRFTIME_UTC);
    return text->rc != 0 || text->out->size - before != name.len ||
           (name.len > 0 && memcmp(text->out->data + before, format, name.len) != 0);
}

static bool put_one(struct text *text, struct msg_slice name, const struct es_source *source)
{
    return put_header(text, name, source->message) || put_field(text, name, source->message) ||
           put_date(text, name, source->index_ns);
}

bool es_interpolate(struct text *text, const char *name, const struct es_source *source)
{
    bool is_whole = true;
    for (;;) {
        const char *open = strstr(name, "%{");
        const char *close = open != NULL ? strchr(open, '}') : NULL;
        if (close == NULL)
            break;
        struct msg_slice inner = {open + 2, (uint32_t)(close - open - 2)};
        text_bytes(text, name, (size_t)(open - name));
        is_whole &= put_one(text, inner, source);
        name = close + 1;
    }
    text_string(text, name);
    return is_whole;
}

/* ---- the line ---- */

static void to_lower(struct buffer *text)
{
    for (size_t i = 0; i < text->size; i++)
        if (text->data[i] >= 'A' && text->data[i] <= 'Z')
            text->data[i] = (char)(text->data[i] + ('a' - 'A'));
}

static void put_quoted(struct text *text, struct buffer *value)
{
    text_json_string(text, (struct msg_slice){value->data, (uint32_t)value->size});
    buffer_clear(value);
}

void es_coordinates_put(struct text *text, const struct es_coordinates *coordinates,
                        const struct es_source *source)
{
    struct buffer value = {0};
    struct text part = text_start(&value);
    text_string(text, "{\"index\":{\"_index\":");
    es_interpolate(&part, coordinates->index, source);
    to_lower(&value);
    put_quoted(text, &value);
    if (coordinates->type_name[0] != '\0') {
        es_interpolate(&part, coordinates->type_name, source);
        text_string(text, ",\"_type\":");
        put_quoted(text, &value);
    }
    if (coordinates->id[0] != '\0' && es_interpolate(&part, coordinates->id, source) &&
        part.rc == 0) {
        text_string(text, ",\"_id\":");
        put_quoted(text, &value);
    }
    text_string(text, "}}\n");
    if (text->rc == 0)
        text->rc = part.rc;
    buffer_fini(&value);
}
