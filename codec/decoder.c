/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/decoder.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"

const struct decoder_ops *const builtin_decoders[] = {
    &json_decoder,
    &metlog_decoder,
    &multi_decoder,
    &payload_regex_decoder,
    &protobuf_decoder,
    &scribble_decoder,
    &stats_to_fields_decoder,
    &syslog_decoder,
    NULL,
};

const struct decoder_ops *decoder_by_name(const char *name)
{
    const struct decoder_ops *ops;
    for (unsigned i = 0; (ops = decoder_type_at(i)) != NULL; i++) {
        if (strcmp(ops->plugin.name, name) == 0)
            return ops;
    }
    return NULL;
}

const char *decode_error_name(int code)
{
    static const char *const names[] = {"no_match", "ignored", "limit",      "pid",      "severity",
                                        "uuid",     "room",    "all_failed", "malformed"};
    int index = DECODE_E_NO_MATCH - code;
    if (index < 0 || index >= (int)ARRAY_COUNT(names))
        return "unknown";
    return names[index];
}

const char *decode_note_name(enum decode_note note)
{
    static const char *const names[DECODE_NOTES] = {"timestamp_unknown", "severity_unknown", "lost",
                                                    "null", "structure_unknown"};
    return names[note];
}

void decode_io_note(struct decode_io *io, enum decode_note note, const char *what,
                    struct msg_slice text)
{
    enum { SHOWN_MAX = 200 };
    char line[SHOWN_MAX + 64];
    io->notes[note]++;
    if (io->log == NULL)
        return;
    int shown = text.len < SHOWN_MAX ? (int)text.len : SHOWN_MAX;
    snprintf(line, sizeof(line), "Don't recognize %s: '%.*s'", what, shown,
             shown > 0 ? text.ptr : "");
    io->log(io->log_context, line);
}
