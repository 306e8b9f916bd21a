/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_syslog.c - any payload: SyslogDecoder makes a valid message of it or says no_match; the
 * text of the message is the end of the payload, and a number is only what was in the priority.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "tests/support/decoder_rig.h"

enum { INPUT_MAX = 8192, ROOM = 65536 };

static const char *const configs[] = {
    "[main]\ntype = 'SyslogDecoder'\n",
    "[main]\ntype = 'SyslogDecoder'\ntz = 'Europe/Berlin'\nhostname_keep = true\n"
    "rawmsg_keep = true\nmessage_type = 'x'\n",
};
enum { CONFIGS = sizeof(configs) / sizeof(configs[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The decoded text is a part of the payload, and nothing but line ends and NULs follows it. */
static void check_payload(struct msg_slice line, struct msg_slice text)
{
    while (line.len > 0 && memchr("\r\n", line.ptr[line.len - 1], 3) != NULL)
        line.len--; /* the NUL of the text counts */
    CHECK(text.len <= line.len);
    if (text.len > 0)
        CHECK(memcmp(line.ptr + (line.len - text.len), text.ptr, text.len) == 0);
}

static void check_decoded(const struct decoder_rig *rig, struct msg_slice payload)
{
    struct msg_view decoded;
    struct msg_field field;
    int64_t facility;
    CHECK(rig->message_count == 1);
    CHECK(msg_view_init(&decoded, rig->messages[0], rig->sizes[0]) == 0);
    CHECK((decoded.present & MSG_HAS_PAYLOAD) != 0);
    check_payload(payload, decoded.payload);
    if (msg_field_find(&decoded, "syslogfacility", 14, 0, &field)) {
        CHECK(msg_field_integer(&field, 0, &facility) && facility >= 0 && facility <= 23);
        CHECK(decoded.severity >= 0 && decoded.severity <= 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoder_rig rigs[CONFIGS];
    struct err err = {0};
    if (size < 1 || size > INPUT_MAX)
        return 0;
    setenv("ZONEINFO", HEKA_FUZZ_ZONES, 1);
    unsigned config = data[0] % CONFIGS;
    struct decoder_rig *rig = &rigs[config];
    rig->room_size = ROOM;
    if (rig->runner == NULL)
        CHECK(decoder_rig_init(rig, configs[config], "main", &err) == 0);
    struct msg_slice payload = {(const char *)data + 1, (uint32_t)size - 1};
    int rc = decoder_rig_decode_text(rig, payload, INT64_C(1718445600) * 1000000000);
    if (rc == 0)
        check_decoded(rig, payload);
    else
        CHECK(rc == DECODE_E_NO_MATCH && rig->message_count == 0 && rig->reason.size > 0);
    return 0;
}
