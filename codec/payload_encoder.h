/* SPDX-License-Identifier: MPL-2.0
 *
 * payload_encoder.h - options of PayloadEncoder, for those who set them without a schema (tests).
 */
#ifndef CODEC_PAYLOAD_ENCODER_H
#define CODEC_PAYLOAD_ENCODER_H

#include <stdbool.h>

struct payload_encoder_config {
    bool append_newlines;
    bool prefix_ts;
    bool ts_from_message;
    const char *ts_format;
};

#endif
