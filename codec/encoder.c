/* SPDX-License-Identifier: MPL-2.0 */
#include "codec/encoder.h"

#include <string.h>

const struct encoder_ops *const builtin_encoders[] = {
    &es_json_encoder,
    &es_logstash_v0_encoder,
    &payload_encoder,
    &protobuf_encoder,
    &rst_encoder,
    NULL,
};

const struct encoder_ops *encoder_by_name(const char *name)
{
    for (const struct encoder_ops *const *ops = builtin_encoders; *ops != NULL; ops++) {
        if (strcmp((*ops)->plugin.name, name) == 0)
            return *ops;
    }
    return NULL;
}
