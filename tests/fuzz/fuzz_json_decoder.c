/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_json_decoder.c - any payload: JsonDecoder takes what jansson takes, with the same values.
 * The first byte chooses the options; with all but the first only what must hold for any is
 * checked.
 */
#include "core/check.h"
#include "tests/support/decoder_rig.h"
#include "tests/support/json_oracle.h"

enum { INPUT_MAX = 8192, ROOM = 65536 };

static const char *const configs[] = {
    "[main]\ntype = 'JsonDecoder'\n",
    "[main]\ntype = 'JsonDecoder'\nmaximum_depth = 1\nduplicate_keys = 'keep'\nseparator = ''\n"
    "payload_keep = true\ntimestamp_layout = 'Epoch'\n[main.severity_map]\nwarn = 4\n"
    "[main.message_members]\nTimestamp = 't'\nSeverity = 's'\nHostname = 'h'\nLogger = 'l'\n"
    "Pid = 'p'\nEnvVersion = 'e'\nPayload = 'm'\nType = 'y'\nUuid = 'u'\n",
};
enum { CONFIGS = sizeof(configs) / sizeof(configs[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoder_rig rigs[CONFIGS];
    struct msg_view decoded;
    struct err err = {0};
    if (size < 1 || size > INPUT_MAX)
        return 0;
    unsigned config = data[0] % CONFIGS;
    struct decoder_rig *rig = &rigs[config];
    rig->room_size = ROOM;
    if (rig->runner == NULL)
        CHECK(decoder_rig_init(rig, configs[config], "main", &err) == 0);
    struct msg_slice payload = {(const char *)data + 1, (uint32_t)size - 1};
    int rc = decoder_rig_decode_text(rig, payload, 1000);
    CHECK(rig->message_count == (rc == 0 ? 1 : 0));
    if (rc == 0)
        CHECK(msg_view_init(&decoded, rig->messages[0], rig->sizes[0]) == 0);
    else
        CHECK(rc <= DECODE_E_NO_MATCH && rc >= DECODE_E_MALFORMED && rig->reason.size > 0);
    if (config == 0)
        json_oracle_check(payload, rc, rc == 0 ? &decoded : NULL);
    return 0;
}
