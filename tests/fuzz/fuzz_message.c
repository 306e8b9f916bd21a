/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_message.c - message view against protobuf-c, and what is written from a view.
 *
 * Any bytes: view and protobuf-c agree (tests/support/message_oracle.h). Accepted ones: JSON can be
 * made of them, and is JSON; text encoders do not fail; changes in place (the last bytes of the
 * message say which) are those that protobuf-c makes (tests/support/message_edit_oracle.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "codec/encoder.h"
#include "codec/message_json.h"
#include "core/check.h"
#include "tests/support/message_edit_oracle.h"
#include "tests/support/message_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(const struct msg_view *view)
{
    struct buffer out = {0};
    CHECK(message_json(view, &out) == 0);
    json_t *json = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    CHECK(json != NULL);
    json_decref(json);
    buffer_clear(&out);
    CHECK(rst_encoder.encode(NULL, NULL, view, &out) == 0);
    buffer_fini(&out);
}

static void check_difference(const char *difference)
{
    if (difference == NULL)
        return;
    fprintf(stderr, "%s\n", difference);
    abort();
}

static void check_changes(const uint8_t *data, size_t size)
{
    enum { SCRIPT_MAX = 6 * EDIT_SCRIPT_STEP, MORE = 200 };
    struct edit_tally tally = {0};
    size_t script_size = size < SCRIPT_MAX ? size : SCRIPT_MAX;
    size_t changed_size = size;
    uint8_t *buffer = malloc(size + MORE);
    CHECK(buffer != NULL);
    memcpy(buffer, data, size);
    check_difference(message_edit_oracle_run(buffer, &changed_size, size + MORE,
                                             data + size - script_size, script_size, &tally));
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum oracle_end end;
    struct msg_view view;
    if (size > 64 * 1024)
        return 0;
    check_difference(message_oracle_check(data, size, &end));
    if (msg_view_init(&view, data, size) == 0) {
        check_texts(&view);
        check_changes(data, size);
    }
    return 0;
}
