/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/decoder.h"

#include <string.h>

#include "core/check.h"

const struct decoder_ops *const builtin_decoders[] = {
    &multi_decoder,
    &payload_regex_decoder,
    &scribble_decoder,
    NULL,
};

const struct decoder_ops *decoder_by_name(const char *name)
{
    for (const struct decoder_ops *const *ops = builtin_decoders; *ops != NULL; ops++) {
        if (strcmp((*ops)->plugin.name, name) == 0)
            return *ops;
    }
    return NULL;
}

const char *decode_error_name(int code)
{
    static const char *const names[] = {"no_match", "ignored", "limit", "pid",
                                        "severity", "uuid",    "room",  "all_failed"};
    int index = DECODE_E_NO_MATCH - code;
    if (index < 0 || index >= (int)ARRAY_COUNT(names))
        return "unknown";
    return names[index];
}

const char *decode_note_name(enum decode_note note)
{
    static const char *const names[DECODE_NOTES] = {"timestamp_unknown", "severity_unknown",
                                                    "lost"};
    return names[note];
}
