/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_message_read.c - any text as a message: an error, or a message that reads back from its own
 *                       JSON. The first byte chooses: '=' takes the lines behind it as NAME=VALUE.
 *
 * JSON writes -0 as what reads back as 0, so it is the second text that has to stay.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/message_json.h"
#include "codec/message_read.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAIRS_MAX = 64 };

static void write_json(const struct buffer *message, struct buffer *json)
{
    struct msg_view view;
    CHECK(msg_view_init(&view, message->data, message->size) == 0);
    CHECK(message_json(&view, json) == 0);
}

static void read_again(const struct buffer *json, struct buffer *again)
{
    struct buffer message = {0};
    size_t used;
    CHECK(message_read_json(json->data, json->size, &used, &message, NULL) == 1);
    CHECK(used == json->size);
    write_json(&message, again);
    buffer_fini(&message);
}

static void check_message(const struct buffer *message)
{
    struct buffer first = {0}, second = {0}, third = {0};
    write_json(message, &first);
    read_again(&first, &second);
    read_again(&second, &third);
    CHECK(second.size == third.size && memcmp(second.data, third.data, third.size) == 0);
    buffer_fini(&first);
    buffer_fini(&second);
    buffer_fini(&third);
}

static int read_lines(char *text, struct buffer *message, struct err *err)
{
    const char *pairs[PAIRS_MAX];
    size_t count = 0;
    for (char *end; text != NULL && count < PAIRS_MAX; text = end != NULL ? end + 1 : NULL) {
        end = strchr(text, '\n');
        if (end != NULL)
            *end = '\0';
        pairs[count++] = text;
    }
    return message_read_pairs(pairs, count, message, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer message = {0};
    struct err err = {0};
    char *text = malloc(size + 1);
    size_t used = 0;
    int rc;
    CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (text[0] == '=')
        rc = read_lines(text + 1, &message, &err) == 0 ? 1 : -1;
    else
        rc = message_read_json(text, size, &used, &message, &err);
    CHECK(used <= size && (rc < 0) == (err.count > 0));
    if (rc == 1)
        check_message(&message);
    else
        CHECK(message.size == 0);
    buffer_fini(&message);
    free(text);
    return 0;
}
